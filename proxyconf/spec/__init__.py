"""The site file's model: what is wanted, in words that belong to no proxy."""
