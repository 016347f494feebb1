"""Options: declared once in `options`, read by `sources`, judged by `values` and `checks`, printed by `show`."""
