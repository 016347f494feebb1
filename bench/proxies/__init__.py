"""What a rendered configuration costs a proxy, beside a minimal one that was written by hand."""
