"""A flow that mlspec has written."""
