"""Printers: trees of directives to text. They know no proxy and no site."""
