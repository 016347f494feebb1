"""appserver/http."""
