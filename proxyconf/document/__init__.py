"""A file as written: strict YAML with a place for every key and value, and what is said about it."""
