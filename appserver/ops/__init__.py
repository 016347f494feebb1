"""appserver/ops."""
