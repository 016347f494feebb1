"""appserver/apps."""
