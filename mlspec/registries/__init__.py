"""Model registries: an open union, one file a member."""
