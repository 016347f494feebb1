"""What each proxy can do since which version, as data, and what a site asks for, measured against it."""
