"""Figures of the report: each function turns numbers of an artifact into a `Drawing`, a picture with its words and its table."""
