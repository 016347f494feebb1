"""appserver/apps/asgi."""
