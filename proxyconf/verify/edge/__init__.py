"""Clients of the edge: what a browser would send, and what an attacker would."""
