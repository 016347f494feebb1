"""Conformance: h2spec against each engine, compared with the waivers."""
