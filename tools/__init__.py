"""What the Makefile calls: set-up, the demo's driver, generated pages."""
