"""One package per proxy; a package that is here is a proxy that can be rendered."""
