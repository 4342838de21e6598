"""Channels that alerts go to: an open union, one file a member."""
