"""Commands that have a module of their own; `mlspec.cli` imports each when it is asked for."""
