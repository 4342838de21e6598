"""Exports: from a model that has passed its gates to a file for a device, and the proof that it still is that model."""
