"""appserver/h2/kernel."""
