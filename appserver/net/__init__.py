"""appserver/net."""
