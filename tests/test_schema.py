"""The JSON Schema accepts what the models accept, and refuses the plainest mistakes; the reference tells every key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlspec import reference, schema
from mlspec.spec.project import resolved, validate
from tests.test_spec import FAULTS, SPECS, changed, read

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    built = schema.build()
    jsonschema.Draft7Validator.check_schema(built)
    return jsonschema.Draft7Validator(built)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_good_specs(path: Path, validator: Any) -> None:
    data = read(path)
    project, _ = validate(data)
    assert project is not None
    plain = json.loads(json.dumps(data, default=str))  # JSON has no dates
    assert [error.message for error in validator.iter_errors(plain)] == []
    assert [error.message for error in validator.iter_errors(resolved(project))] == []


SHAPE = {
    "unknown-key",
    "unknown-kind",
    "unknown-value",
    "wrong-type",
    "out-of-range",
    "missing-unit",
    "unknown-unit",
    "malformed",
    "inline-secret",
}
# what a schema cannot say, or says only where the models say more
BEYOND = (
    "a plain number or a share",
    'write ">= 84 %"',
    "finite",
    "are numbers",
    "longer than nothing",
    "plain data",
    "write `>= 0.8`",
)


@pytest.mark.parametrize(
    "case", [case for case in FAULTS if case[2] in SHAPE and case[3] not in BEYOND], ids=lambda case: case[0]
)
def test_plain_mistakes(case: tuple[str, str, str, str], validator: Any) -> None:
    data = changed(case[0])
    if all(isinstance(key, str) for key in data):
        assert not validator.is_valid(json.loads(json.dumps(data, default=str)))


def test_no_reference_dangles(validator: Any) -> None:
    text = json.dumps(validator.schema)
    assert "models.invalid" not in text
    wanted = set(re.findall(r'"#/definitions/([^"]+)"', text))
    assert wanted <= validator.schema["definitions"].keys()
    assert validator.schema["definitions"].keys() <= wanted


def test_schema_is_the_same_every_time() -> None:
    assert json.dumps(schema.build()) == json.dumps(schema.build())


EXPLAINED = [
    ("splits.ratios", "guide: Split Strategy for Different Data Sizes"),
    ("splits", "How rows are dealt"),
    ("requirements.metrics[0].target", "default: none: it must be given"),
    ("requirements.metrics.target", "target, `>= 0.84`"),
    ("model", "kind sklearn.logistic_regression:"),
    ("model.kind", "kind"),
    ("model.sklearn.ridge", "keys: kind, params"),
    ("model.sklearn.logistic_regression.params.C", "default: 1.0"),
    ("data.sources.customers.csv.path", "relative to the data root"),
    ("data.sources.csv.path", "relative to the data root"),
    ("data.columns.tenure.role", "`feature` | `id` | `target`"),
    ("deployment", "not realised yet: no service is written"),
    ("deployment.pattern.canary.steps", "5-10%"),
    ("evaluation.explain", "not realised yet (for shap)"),
    ("evaluation.slices.bins", "list of numbers"),
    ("pipeline.timeout", "a length of time, `50 ms`"),
    ("steps.publish.python.entrypoint", "package.module"),
]


@pytest.mark.parametrize(("route", "part"), EXPLAINED)
def test_explain(route: str, part: str) -> None:
    assert part in (reference.explain(route) or "")


@pytest.mark.parametrize(
    ("route", "meant"),
    [
        ("splitz", "splits"),
        ("splits.sed", "splits.seed"),
        ("requirements.metrics[0].tagret", "requirements.metrics[0].target"),
        ("zzz", None),
    ],
)
def test_explain_nothing(route: str, meant: str | None) -> None:
    assert reference.explain(route) is None
    assert reference.suggestion(route) == meant


def test_reference_tells_every_key(validator: Any) -> None:
    text = reference.markdown()
    assert text == reference.markdown()
    for name, definition in validator.schema["definitions"].items():
        for key in definition.get("properties", {}):
            assert f"| `{key}` |" in text or key == "kind", (name, key)
    anchors = set(re.findall(r"\(#([a-z0-9-]+)\)", text))
    headings = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^## (.*)$", text, re.M)}
    assert anchors
    assert anchors <= headings
    assert all(line.count(" | ") == 3 for line in text.replace("\\|", "/").splitlines() if line.startswith("| `"))
