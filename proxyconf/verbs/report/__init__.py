"""`report`: one page about a site over all of its targets."""
