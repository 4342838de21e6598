"""Experiment trackers: an open union, one file a member."""
