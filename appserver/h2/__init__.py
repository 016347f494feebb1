"""appserver/h2."""
