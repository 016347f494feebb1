"""appserver/h1."""
