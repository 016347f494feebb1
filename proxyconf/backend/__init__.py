"""The app server's end of the hop, from the same site."""
