"""Formats a model is exported to for serving and the edge: an open union, one file a member."""
