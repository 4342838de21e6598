"""Specs with hostile text in every field that takes text, 100 for each backend: what is emitted differs from a harmless twin in literals only."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlspec import backend
from mlspec.diagnostic import Problem, Severity
from mlspec.layers import load
from mlspec.lower import lower
from mlspec.spec.project import resolved, validate
from tests.test_hostile import HOSTILE, KEPT, check, hostile, strings

ROOT = Path(__file__).parent.parent
Route = tuple[str | int, ...]

STEPS = {
    "prepare": {"entrypoint": "work:prepare", "outputs": {"table": "table"}, "params": {"words": "text", "list": ["text"]}},
    "after": {
        "entrypoint": "work:after",
        "inputs": {"rows": "validate.data"},
        "after": ["prepare"],
        "retries": 1,
        "timeout": "5 s",
    },
}


@functools.cache
def specs() -> tuple[dict[str, Any], ...]:
    """The gallery and the whole language, each with steps of its own."""
    files = [*sorted((ROOT / "specs").glob("*.yaml")), *sorted((Path(__file__).parent / "data" / "spec").glob("whole*.yaml"))]
    return tuple(
        {name: part for name, part in load(file).data.items() if name not in ("extends", "environments")} | {"steps": STEPS}
        for file in files
    )


def texts(value: Any, route: Route = ()) -> Iterator[Route]:
    """The routes of every string of a spec."""
    if isinstance(value, str):
        yield route
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from texts(inner, (*route, key))


def replaced(value: Any, words: dict[Route, str], route: Route = ()) -> Any:
    if route in words:
        return words[route]
    if isinstance(value, dict):
        return {key: replaced(inner, words, (*route, key)) for key, inner in value.items()}
    return [replaced(inner, words, (*route, index)) for index, inner in enumerate(value)] if isinstance(value, list) else value


def pipeline_of(data: dict[str, Any]) -> Any:
    """The pipeline of plain data, or None where the language refuses it (with findings: never another exception)."""
    project, found = validate(data)
    if project is None:
        assert any(one.severity is Severity.ERROR for one in found)
        return None
    try:
        return lower(project, resolved(project), {"work.py": "def prepare(inputs, outputs, words): ...\n"})
    except Problem:
        return None


@functools.cache
def free(index: int) -> tuple[Route, ...]:
    """The routes whose text is free: the language takes what it cannot have foreseen there."""
    spec = specs()[index]
    probes = ("{{ x }}", 'a "quoted" \\ word', "\n- x: y", "日本語 # x")
    return tuple(
        route for route in texts(spec) if all(pipeline_of(replaced(spec, {route: probe})) is not None for probe in probes)
    )


@pytest.mark.slow
def test_many_fields_take_free_text() -> None:
    """Else the property below would look at nothing."""
    routes = {route for index in range(len(specs())) for route in free(index)}
    assert len(routes) > 25
    assert {("project", "problem"), ("data", "columns", "Contract", "values", 0)} <= routes


@functools.cache
def meant(index: int) -> frozenset[str]:
    """The words of the spec as it stands: what a backend may go by (a metric's name, a task's kind)."""
    pipeline = pipeline_of(specs()[index])
    assert pipeline is not None
    return KEPT | frozenset(strings(pipeline))


@pytest.mark.slow
# a spec is too big to shrink in reasonable time; `test_hostile` finds the small cases
@pytest.mark.parametrize("name", backend.names())
@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_hostile_specs(name: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(specs()) - 1))
    words = {route: data.draw(hostile) for route in free(index)}
    pipeline = pipeline_of(replaced(specs()[index], words))
    if pipeline is not None:
        check(name, pipeline, meant(index))


@pytest.mark.parametrize("word", HOSTILE[:40])
def test_any_text_in_any_field_is_taken_or_refused(word: str) -> None:
    """Fields with a grammar of their own too: a finding or a pipeline, never a crash."""
    for spec in specs()[:2]:
        for route in texts(spec):
            pipeline_of(replaced(spec, {route: word}))
