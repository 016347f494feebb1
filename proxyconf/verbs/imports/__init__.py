"""`import`: another configuration as a site file, as far as it is understood; what is not is listed with its place."""
