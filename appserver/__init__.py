"""The application server of Lasthop: HTTP/2 and HTTP/1.1 on one side, ASGI on the other."""

__version__ = "0.1.0"
