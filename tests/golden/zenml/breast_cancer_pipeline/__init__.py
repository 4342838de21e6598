"""A pipeline that mlspec has written."""
