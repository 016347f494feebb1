"""One quoting rule per syntax, and the template environment that applies it to every value. No proxy, no site."""
