"""Ways to bring a new model into production: an open union, one file a member."""
