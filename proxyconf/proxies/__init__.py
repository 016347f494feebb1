"""One module per proxy; a module that is here is a proxy that can be rendered."""
