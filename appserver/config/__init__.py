"""appserver/config."""
