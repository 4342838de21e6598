"""The user's own code, named as `package.module:attribute` (one floor down, so that families and transforms share it)."""

from __future__ import annotations

from mlspec.entrypoint import blame, load

__all__ = ["blame", "load"]
