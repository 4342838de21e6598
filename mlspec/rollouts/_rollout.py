"""What every way to roll out has in common."""

from __future__ import annotations

from mlspec.kinds import Kind


class Rollout(Kind):
    """A way to bring a new model into production."""

    realised = False
    today = "no deployment is written; it is checked and kept in the packaged spec"
