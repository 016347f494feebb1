"""appserver/worker."""
