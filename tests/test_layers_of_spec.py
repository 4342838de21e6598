"""Layers of one spec: what they merge to, and which text each value is traced to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import display, layers
from mlspec.diagnostic import Finding, Problem, Severity
from mlspec.layers import Layered
from mlspec.lines import Lines

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files into an empty working folder; return the name of the first."""
    monkeypatch.chdir(tmp_path)

    def files(**texts: str) -> Path:
        for name, text in texts.items():
            path = Path(name.replace("__", "/") + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Path(next(iter(texts)).replace("__", "/") + ".yaml")

    return files


def told(layered: Layered) -> list[tuple[str, str, str]]:
    """Return (file, code, text under the caret) of each problem."""
    found = []
    for one in layered.problems:
        assert one.span is not None
        lines = Lines(layered.texts[one.file])
        start, end = lines.offset(one.span.line, one.span.column), lines.offset(one.span.end_line, one.span.end_column)
        found.append((one.file, one.finding.code, lines.text[start:end]))
    return found


def under(layered: Layered, *route: str | int, on: str = "value") -> tuple[str, str, str]:
    """Return (file, text under the caret, layer) of a route."""
    name, span, layer = layered.place(route, on=on)
    lines = Lines(layered.texts[name])
    return name, lines.text[lines.offset(span.line, span.column) : lines.offset(span.end_line, span.end_column)], layer


SPEC = """\
extends: [policies/org.yaml, policies/team.yaml]
mlspec: 1
project: {name: churn, x-note: mine}
x-shared: &shared {cpu: 2}
splits: {seed: 7, gap: null}
requirements:
  metrics: [{metric: roc_auc, target: ">= 0.84"}, {metric: recall, target: ">= 0.6"}]
hardware: {training: *shared}
environments:
  prod:
    splits: {seed: 8}
    hardware: {serving: {cpu: 4}}
    training: null
  dev: {}
  empty:
"""
ORG = "splits: {strategy: stratified, seed: 1}\ntraining: {folds: 5}\nevaluation: {slices: [a]}\nproject: {owner: org}\n"
TEAM = "extends: deep/base.yaml\nsplits: {seed: 2}\nevaluation: null\nproject: {owner: team}\n"
BASE = "splits: {seed: 0}\nmodel: {kind: x}\nenvironments: {prod: {model: {kind: z}}}\n"


@pytest.fixture
def spec(write: Write) -> Path:
    return write(churn=SPEC, policies__org=ORG, policies__team=TEAM, policies__deep__base=BASE)


def test_a_single_file(write: Write) -> None:
    layered = layers.load(write(churn="mlspec: 1\nsplits: {gap: null}\nx-mine: 1\nlist: [{x-a: 1, b: 2}]\n"))
    assert layered.data == {"mlspec": 1, "splits": {"gap": None}, "x-mine": 1, "list": [{"x-a": 1, "b": 2}]}
    assert layered.problems == ()
    assert layered.files == ("churn.yaml",)
    assert under(layered, "splits", "gap") == ("churn.yaml", "null", "churn.yaml")


def test_files_merge_from_the_lowest_up(spec: Path) -> None:
    layered = layers.load(spec)
    assert layered.problems == ()
    assert layered.files == ("churn.yaml", "policies/org.yaml", "policies/team.yaml", "policies/deep/base.yaml")
    assert layered.data == {
        "splits": {"strategy": "stratified", "seed": 7, "gap": None},
        "training": {"folds": 5},
        "project": {"owner": "team", "name": "churn", "x-note": "mine"},
        "x-shared": {"cpu": 2},
        "model": {"kind": "x"},
        "mlspec": 1,
        "requirements": {"metrics": [{"metric": "roc_auc", "target": ">= 0.84"}, {"metric": "recall", "target": ">= 0.6"}]},
        "hardware": {"training": {"cpu": 2}},
    }
    assert under(layered, "splits", "seed") == ("churn.yaml", "7", "churn.yaml")
    assert under(layered, "splits", "strategy") == (
        "policies/org.yaml",
        "stratified",
        "policies/org.yaml, which churn.yaml extends",
    )
    assert under(layered, "project", "owner", on="key") == (
        "policies/team.yaml",
        "owner",
        "policies/team.yaml, which churn.yaml extends",
    )
    assert under(layered, "model", "kind")[0] == "policies/deep/base.yaml"
    assert under(layered, "splits", on="key")[:2] == ("churn.yaml", "splits")
    assert under(layered, "hardware", "training", "cpu")[:2] == ("churn.yaml", "2")


def test_an_environment_is_laid_over(spec: Path) -> None:
    layered = layers.load(spec, env="prod")
    assert layered.problems == ()
    assert layered.data["splits"] == {"strategy": "stratified", "seed": 8, "gap": None}
    assert layered.data["hardware"] == {"training": {"cpu": 2}, "serving": {"cpu": 4}}
    assert layered.data["model"] == {"kind": "z"}
    assert not {"training", "environments", "extends", "evaluation"} & set(layered.data)
    assert under(layered, "splits", "seed") == ("churn.yaml", "8", "environment prod of churn.yaml")
    assert under(layered, "model", "kind") == ("policies/deep/base.yaml", "z", "environment prod of policies/deep/base.yaml")
    for name in ("dev", "empty"):
        assert layers.load(spec, env=name).data == layers.load(spec).data


def test_values_from_the_command_line(spec: Path) -> None:
    sets = [
        "splits.seed=9",
        "requirements.metrics[0].target='>= 0.9'",
        'hardware."training".cpu=[1, 2]',
        "new.list[0].a=x",
        "mlspec=null",
    ]
    layered = layers.load(spec, env="prod", sets=sets)
    assert layered.problems == ()
    assert layered.data["splits"]["seed"] == 9
    assert layered.data["requirements"]["metrics"] == [
        {"metric": "roc_auc", "target": ">= 0.9"},
        {"metric": "recall", "target": ">= 0.6"},
    ]
    assert layered.data["hardware"]["training"] == {"cpu": [1, 2]}
    assert layered.data["new"] == {"list": [{"a": "x"}]}
    assert "mlspec" not in layered.data
    assert under(layered, "splits", "seed") == ("--set", "9", "--set")
    assert under(layered, "requirements", "metrics", 0, "target", on="key") == (
        "--set",
        "requirements.metrics[0].target",
        "--set",
    )
    assert under(layered, "requirements", "metrics", 0, "metric")[:2] == ("churn.yaml", "roc_auc")
    assert under(layered, "hardware", "training", "cpu", 1)[:2] == ("--set", "2")
    assert under(layered, "new", "list", on="key")[:2] == ("--set", "new.list[0].a")


def test_set_merges_mappings_and_appends_to_lists(write: Write) -> None:
    path = write(churn="model: {kind: x, params: {C: 1}}\nlist: [1]\n")
    layered = layers.load(path, sets=["model={params: {tol: 2}}", "list[1]=2", "list[0]=null", "absent=null", "a.b=~"])
    assert layered.problems == ()
    assert layered.data == {
        "model": {"kind": "x", "params": {"C": 1, "tol": 2}},
        "list": [None, 2],
        "absent": None,
        "a": {"b": None},
    }


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ("splits", "bad-route", "splits"),
        ("", "bad-route", ""),
        ("=3", "bad-route", "=3"),
        ("[0]=3", "bad-route", "[0]=3"),
        ("a..b=3", "bad-route", "a..b=3"),
        ("a b=3", "bad-route", "a b=3"),
        ("a" + ".a" * 5000 + "=3", "bad-route", "a" + ".a" * 5000 + "=3"),
        ("splits.seed=", "empty-value", "splits.seed="),
        ("splits.seed= # none", "empty-value", "splits.seed= # none"),
        ("metrics[2]=3", "bad-route", "metrics[2]"),
        ("metrics.first=3", "bad-route", "metrics.first"),
        ("splits[0]=3", "bad-route", "splits[0]"),
        ("splits.seed.deep=3", "bad-route", "splits.seed.deep"),
        ("splits.seed=>= 0.9", "unquoted-value", ">= 0.9"),
        ("splits.seed=[1, 2", "unclosed-bracket", "["),
        ("splits.seed=*a", "undefined-alias", "*a"),
    ],
)
def test_bad_values_from_the_command_line(write: Write, given: str, code: str, where: str) -> None:
    path = write(churn="splits: {seed: 7}\nmetrics: [0]\n")
    layered = layers.load(path, sets=["splits.gap=1", given, "splits.seed=8"])
    assert ("--set", code, where) in told(layered)
    assert layered.data == {"splits": {"seed": 8, "gap": 1}, "metrics": [0]}
    assert "--set:2:" in display.concise(layered.problems)


def test_findings_are_placed_in_the_file_that_set_the_value(spec: Path) -> None:
    layered = layers.load(spec, env="prod", sets=["project.name=X Y"])
    for route, on, file, line in [
        (("splits", "strategy"), "value", "policies/org.yaml", 1),
        (("splits", "seed"), "value", "churn.yaml", 11),
        (("splits", "missing"), "value", "churn.yaml", 11),
        (("project", "name"), "key", "--set", 1),
        (("task",), "value", "churn.yaml", 1),
        ((), "value", "churn.yaml", 1),
    ]:
        placed = layered.place_finding(Finding("some-code", "message", route, Severity.WARNING, "help", on))
        assert (placed.file, placed.span and placed.span.line) == (file, line)
        assert placed.finding.route == route
    assert under(layered, "model", "missing")[:2] == ("policies/deep/base.yaml", "model")
    assert under(layered, "requirements", "metrics", 5)[:2] == ("churn.yaml", "metrics")


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"a": "extends: b.yaml", "bb": ""}, ("a.yaml", "missing-file", "b.yaml")),
        ({"a": "extends: [b.yaml, c.yaml]", "b": "x: 1"}, ("a.yaml", "missing-file", "c.yaml")),
        ({"a": "extends: ."}, ("a.yaml", "not-a-file", ".")),
        ({"a": "extends: 3"}, ("a.yaml", "bad-extends", "3")),
        ({"a": "extends: ['', {}]"}, ("a.yaml", "bad-extends", "{}")),
        ({"a": "extends: a.yaml"}, ("a.yaml", "extends-cycle", "a.yaml")),
        ({"a": "extends: b.yaml", "b": "extends: [c.yaml]", "c": "extends: ./b.yaml"}, ("c.yaml", "extends-cycle", "./b.yaml")),
        ({"a": "extends: b.yaml\nx: 1", "b": "y: [1"}, ("b.yaml", "unclosed-bracket", "[")),
        ({"a": "extends: b.yaml\nx: 1", "b": "[1]"}, ("b.yaml", "not-a-mapping", "[1]")),
        ({"a": "just text"}, ("a.yaml", "not-a-mapping", "just text")),
        ({"a": ""}, ("a.yaml", "empty-file", "")),
        ({"a": "environments: [prod]"}, ("a.yaml", "bad-environments", "[prod]")),
        ({"a": "environments: {prod: 3}"}, ("a.yaml", "bad-environments", "3")),
        ({"a": "environments: {prod: {extends: b.yaml}}"}, ("a.yaml", "misplaced-key", "extends")),
        ({"a": "environments: {prod: {}, prd: {a: *b}}"}, ("a.yaml", "undefined-alias", "*b")),
        ({"a": "x: " + "y" * 5000 + "\nextends: " + "z" * 5000}, ("a.yaml", "unreadable-file", "z" * 5000)),
    ],
)
def test_faults_of_layers(write: Write, texts: dict[str, str], problem: tuple[str, str, str]) -> None:
    layered = layers.load(write(**texts))
    assert problem in told(layered)
    assert isinstance(layered.data, dict)
    assert not {"extends", "environments"} & set(layered.data)


@pytest.mark.parametrize(
    ("text", "where", "help"),
    [
        ("environments: {prod: {}, dev: {}}", "environments", "did you mean `prod`?"),
        ("environments: {alpha: {}}", "environments", "the spec has alpha"),
        ("a: 1", "", "the spec has no `environments`"),
    ],
)
def test_unknown_environment(write: Write, text: str, where: str, help: str) -> None:  # noqa: A002
    layered = layers.load(write(a=text), env="prd")
    assert told(layered) == [("a.yaml", "unknown-environment", where)]
    assert layered.problems[0].finding.help == help


def test_the_file_itself_must_be_there(write: Write) -> None:
    write(churn="a: 1")
    with pytest.raises(Problem) as caught:
        layers.load("chrun.yaml")
    assert "did you mean churn.yaml?" in str(caught.value)


def test_extending_is_bounded(write: Write) -> None:
    chain: dict[str, Any] = {f"f{i}": f"extends: [f{i + 1}.yaml, f{i + 1}.yaml]\nk{i}: {i}" for i in range(30)}
    layered = layers.load(write(**chain, f30="last: 1"))
    assert layered.problems == ()
    assert len(layered.files) == 31
    assert len(layered.data) == 31
    many = {"top": "extends: [" + ", ".join(f"g{i}.yaml" for i in range(100)) + "]", **{f"g{i}": f"k{i}: 1" for i in range(100)}}
    assert {code for _, code, _ in told(layers.load(write(**many)))} == {"too-many-files"}


MAPPINGS = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c", "x-d"]), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


def expected(*values: Any) -> Any:
    """What merging means, said plainly."""
    if not all(isinstance(value, dict) for value in values[-1:]) or not isinstance(values[-1], dict):
        return values[-1]
    mappings: list[Any] = []
    for value in values:
        mappings = [*mappings, value] if isinstance(value, dict) else []
    keys = {key for one in mappings for key in one}
    return {key: expected(*(one[key] for one in mappings if key in one)) for key in keys}


@given(st.lists(MAPPINGS, min_size=2, max_size=3))
@settings(max_examples=60, deadline=None)
def test_merging_is_what_it_says_and_every_leaf_is_traced(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("layers")
    for index, value in enumerate(values):
        extends = [f"extends: s{index - 1}.yaml"] if index else []
        lines = [*extends, *(f"{key}: {one}".replace("'", "") for key, one in value.items())]
        (folder / f"s{index}.yaml").write_text("\n".join(lines) or "{}", encoding="utf-8")
    layered = layers.load(folder / f"s{len(values) - 1}.yaml")
    assert layered.problems == ()
    assert layered.data == expected(*values)

    def leaves(value: Any, route: tuple[str | int, ...] = ()) -> None:
        if isinstance(value, dict) and value:
            for key, one in value.items():
                leaves(one, (*route, key))
        elif route:
            name, text, _ = under(layered, *route)
            if not isinstance(value, dict):
                assert text == str(value)
            source: Any = values[int(Path(name).stem[1:])]
            for part in route:
                source = source[part]
            assert source == value

    leaves(layered.data)
