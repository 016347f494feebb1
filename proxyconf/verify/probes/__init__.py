"""The probes: one small declared object per claim, in the order in which they run."""
