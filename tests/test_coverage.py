"""Nothing silent: each value of a spec changes what is compiled, or coverage.json says what becomes of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlspec import backend, build, coverage, patches
from mlspec.diagnostic import Finding, Problem, Route, dotted
from mlspec.ir import Pipeline
from mlspec.layers import load
from mlspec.lower import lower
from mlspec.spec.project import Project, inspect, resolved
from tests import mutations

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "coverage"
SPECS = {path.stem: path for path in (*sorted((ROOT / "specs").glob("*.yaml")), *sorted(DATA.glob("*.yaml")))}
BACKENDS = backend.names()
LISTED = ("kept", "checked", "later", "lacking")


def lowered(project: Project, folder: Path) -> Pipeline:
    """The pipeline without the record of the whole spec, which report and package embed, and without the lines of the spec."""
    pipeline = lower(project, {}, {})
    if project.pipeline.granularity == "step":
        return pipeline
    from mlspec import fuse

    return fuse.fused(pipeline, project.pipeline.granularity)


@dataclass(frozen=True)
class Changed:
    """A spec with one value changed, and what it compiles to."""

    data: dict[str, Any]
    project: Project
    pipeline: Pipeline | None
    refused: str = ""  # by the compiler: it is told, so nothing is silent

    def emitted(self, name: str, folder: Path) -> Any:
        """All that `compile` writes, coverage.json aside."""
        if self.pipeline is None:
            return self.refused
        try:
            bundle = build.bundle_of(self.pipeline, name)
            found = patches.apply(bundle, self.project, folder, name)
        except Problem as problem:
            return str(problem)
        return dict(bundle.files), bundle.owned, bundle.patched, found

    def told(self, name: str) -> dict[str, Any]:
        if self.pipeline is None:
            return {}
        chosen = loaded(name)
        return told(self.project, self.pipeline, chosen, tuple(chosen.lacks(self.pipeline)))


loaded = functools.cache(backend.load)


def told(project: Project, pipeline: Pipeline, chosen: backend.Backend, found: tuple[Finding, ...]) -> dict[str, Any]:
    return {one["route"]: one for one in coverage.document(project, pipeline, chosen, found, {})["leaves"]}


def compiled(data: dict[str, Any], folder: Path) -> Changed | None:
    """None where lint refuses the spec."""
    try:
        Project.model_validate(data)  # `inspect` takes its time to say why
    except ValidationError:
        return None
    found = inspect(data)
    if found.project is None:
        return None
    try:
        return Changed(data, found.project, lowered(found.project, folder))
    except Problem as problem:
        return Changed(data, found.project, None, str(problem))


class Spec:
    """A spec with every default written out, and its mutations."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        project = inspect(load(path).data).project
        assert project is not None, path
        found = compiled(json.loads(json.dumps(resolved(project))), self.folder)
        assert found is not None
        assert found.pipeline is not None, found.refused
        self.base = found
        self._told: dict[str, dict[str, Any]] = {}
        self._emitted: dict[str, Any] = {}
        self.routes = [leaf.route for leaf in coverage.leaves(found.project)]

    def told(self, name: str) -> dict[str, Any]:
        if name not in self._told:
            self._told[name] = self.base.told(name)
        return self._told[name]

    def emitted(self, name: str) -> Any:
        if name not in self._emitted:
            self._emitted[name] = self.base.emitted(name, self.folder)
        return self._emitted[name]

    def mutations(self, route: Route) -> Iterator[Changed]:
        """What lint takes in the place of a value: each word that the language lists there, else the first other value."""
        listed = len(mutations.words(mutations.standing(self.base.project, route)))
        taken = 0
        for number, data in enumerate(mutations.others(self.base.data, self.base.project, route)):
            if taken and number >= listed:
                return
            changed = compiled(data, self.folder)
            if changed is not None and _differs(resolved(changed.project), resolved(self.base.project), route):
                taken += 1
                yield changed


def _differs(now: Any, before: Any, route: Route) -> bool:
    return bool(_at(mutations.pruned(now), route) != _at(mutations.pruned(before), route))


def _at(data: Any, route: Route) -> Any:
    try:
        return mutations.get(data, route)
    except (KeyError, IndexError, TypeError):
        return None


@functools.cache
def spec(name: str) -> Spec:
    return Spec(SPECS[name])


def state(entries: dict[str, Any], route: Route) -> set[str]:
    """The states of a value, of the parts that it has now, or of what stands in its place."""
    name = dotted(route)
    found = {one["state"] for key, one in entries.items() if key == name or key.startswith((f"{name}.", f"{name}["))}
    while not found and route:
        route = route[:-1]
        found = {entries[dotted(route)]["state"]} if dotted(route) in entries else set()
    return found


def silent(one: Spec, route: Route, changed: Changed, names: tuple[str, ...], seen: set[tuple[str, str]]) -> Iterator[str]:
    """Yield the backends on which a mutation shows nowhere."""
    same = changed.pipeline == one.base.pipeline and not _written(changed, one.base)
    field = mutations.pattern(one.base.project, route)
    for name in names:
        if not same and (field, name) in seen:  # the same field of the same model, with another name of the user's
            continue
        listed = state(one.told(name), route)
        if listed & set(LISTED) or state(changed.told(name), route) & set(LISTED):
            continue
        if same or changed.emitted(name, one.folder) == one.emitted(name):
            yield name
        else:
            seen.add((field, name))


def _written(changed: Changed, base: Changed) -> bool:
    now, before = changed.project.pipeline, base.project.pipeline
    return (now.patches, now.owned) != (before.patches, before.owned)


SEEN: set[tuple[str, str]] = set()

SAME = {
    "data.columns.*.role": "a column that `task.target`, `splits` or `for_each` names has the role that goes with it, written or not",
}
"""Fields of which one word means what another does in some specs; each third word must show, or be refused by lint."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_no_value_is_silent(name: str) -> None:
    one = spec(name)
    found: list[str] = []
    for route in one.routes:
        here: list[str] = []
        for changed in one.mutations(route):
            on = list(silent(one, route, changed, BACKENDS, SEEN))
            if on:
                here.append(f"{dotted(route)} -> {_at(resolved(changed.project), route)!r} changes nothing on {', '.join(on)}")
        found += here[mutations.pattern(one.base.project, route) in SAME :]
    assert found == []


ANOTHER, ALONE = "what it may be goes with another field, which a single change leaves alone", "there is one word for it today"
FIXED = {
    "augmentation.*.entrypoint": ANOTHER,
    "baseline.(sklearn.dummy)params.constant": ANOTHER,
    "baseline.(sklearn.dummy)params.quantile": ANOTHER,
    "baseline.(sklearn.logistic_regression)params.dual": ANOTHER,
    "baseline.(sklearn.logistic_regression)params.l1_ratio": ANOTHER,
    "baseline.(sklearn.ridge)params.calibration": ANOTHER,
    "baseline.(sklearn.ridge)params.calibration_folds": ANOTHER,
    "baseline.(sklearn.ridge)params.class_weight": ANOTHER,
    "data.join": ANOTHER,
    "data.sources.*.(audio)rate": ANOTHER,
    "data.window": ANOTHER,
    "features.*.(mel_spectrogram)rate": ANOTHER,
    "model.(torch.cnn)params.loss": ANOTHER,
    "model.(torch.cnn)params.shape": ANOTHER,
    "model.(torch.cnn)params.validation_fraction": ANOTHER,
    "model.(torch.mlp)params.loss": ANOTHER,
    "model.(torch.mlp)params.validation_fraction": ANOTHER,
    "data.join.*.left": ANOTHER,
    "data.join.*.right": ANOTHER,
    "data.union": ANOTHER,
    "evaluation.champion.compare": ALONE,
    "features.*.(impute)value": ANOTHER,
    "for_each.table": ANOTHER,
    "mlspec": ALONE,
    "model.(sklearn.hist_gradient_boosting)params.quantile": ANOTHER,
    "model.(sklearn.logistic_regression)params.dual": ANOTHER,
    "model.(sklearn.logistic_regression)params.l1_ratio": ANOTHER,
    "model.(sklearn.ridge)params.calibration": ANOTHER,
    "model.(sklearn.ridge)params.calibration_folds": ANOTHER,
    "model.(sklearn.ridge)params.class_weight": ANOTHER,
    "requirements.business.*.name": ANOTHER,
    "splits.ratios.*": ANOTHER,
    "training.tuning.space.*.values": ANOTHER,
}
"""Fields of which no spec here takes another value, with the reason."""


@pytest.mark.slow
def test_every_field_is_changed_in_some_spec() -> None:
    """A field for which no other value was found would pass unseen."""
    left: set[str] = set()
    changed: set[str] = set()
    for name in SPECS:
        one = spec(name)
        for route in one.routes:
            field = mutations.pattern(one.base.project, route)
            if field not in changed:
                (changed if next(one.mutations(route), None) else left).add(field)
    assert left - changed == set(FIXED)
