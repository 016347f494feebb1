"""What is made and where it goes: bundles of files, their banner, and the disk."""
