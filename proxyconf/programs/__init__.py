"""The installed programs: where they are, which version, and what they say. Knows no proxy."""
