"""The kit for a backend that is named on the command line: `pytest --pyargs mlspec.kit --mlspec-backend=NAME`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlspec.kit import plugin
from mlspec.kit.suite import *  # noqa: F403 - the tests themselves


@pytest.fixture(scope="session")
def interpreters(pytestconfig: pytest.Config) -> Mapping[str, str]:
    """The interpreter of each backend."""
    return plugin.interpreters(pytestconfig)
