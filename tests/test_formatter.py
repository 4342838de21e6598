"""The formatter: one text for every way to write a spec, nothing lost, and done when it is done."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec import formatter
from mlspec.amend import same, written
from mlspec.concrete import read
from mlspec.diagnostic import Problem, Route
from mlspec.document import parse
from mlspec.formatter import comments, format_text
from mlspec.rules import Rule, catalogue

ROOT = Path(__file__).parent.parent
GALLERY = sorted((ROOT / "specs").glob("*.yaml"))
WHOLE = (ROOT / "tests" / "data" / "spec" / "whole.yaml").read_text(encoding="utf-8")
BASE = (ROOT / "tests" / "data" / "rules" / "base.yaml").read_text(encoding="utf-8")


def told(text: str) -> Counter[str]:
    root = read(text)
    return Counter(comments(text, root)) if root else Counter()


def formatted(text: str) -> str:
    """Format, and hold that the text says the same, comments included, and that a second time changes nothing."""
    new = format_text(text, "spec.yaml")
    assert same(parse(new, "").data, parse(text, "").data)
    assert told(new) == told(text)
    assert format_text(new, "spec.yaml") == new
    return new


@pytest.mark.parametrize("spec", GALLERY, ids=lambda path: path.stem)
def test_the_gallery_is_formatted(spec: Path) -> None:
    text = spec.read_text(encoding="utf-8")
    assert format_text(text, str(spec)) == text


@pytest.mark.parametrize("text", [WHOLE, BASE], ids=["whole", "base"])
def test_a_whole_spec(text: str) -> None:
    lines = formatted(text).splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    assert [line for line in lines if line.startswith("mlspec:")] == ["mlspec: 1"]


CASES = {
    "sections in the language's order, x- keys last, unknown keys before them": (
        "x-note: 1\nwhatever: 2\ntask: {target: y, kind: regression}\nproject: {problem: p, name: n}\nmlspec: 1\n",
        "mlspec: 1\nproject: {name: n, problem: p}\n\ntask: {kind: regression, target: y}\n\nwhatever: 2\n\nx-note: 1\n",
    ),
    "names of the user's stay in their order": (
        "data:\n  columns:\n    b: {max: 1, min: 0, type: number}\n    a: {type: string}\n  sources: {z: {path: z.csv, kind: csv}, a: {kind: csv, path: a.csv}}\nmlspec: 1\n",
        "mlspec: 1\n\ndata:\n  sources: {z: {kind: csv, path: z.csv}, a: {kind: csv, path: a.csv}}\n  columns:\n    b: {type: number, min: 0, max: 1}\n    a: {type: string}\n",
    ),
    "comments go with what stands below them, or before them on the line": (
        "# about the task\ntask:\n  # which one\n  target: y   # the label\n  kind: regression\n\n\n\n# first of all\nmlspec: 1\n# the end\n",
        "# first of all\nmlspec: 1\n\n# about the task\ntask:\n  kind: regression\n  # which one\n  target: y # the label\n\n# the end\n",
    ),
    "a comment on the file stays at its top": (
        "#!/usr/bin/env mlspec\n# yaml-language-server: $schema=x.json\n# our spec\n\nproject: {name: n}\nmlspec: 1\n",
        "#!/usr/bin/env mlspec\n# yaml-language-server: $schema=x.json\n# our spec\n\nmlspec: 1\nproject: {name: n}\n",
    ),
    "two blanks a level, lists below their keys too": (
        "mlspec: 1\nrequirements:\n    metrics:\n    -   metric: roc_auc\n        target: '>= 0.8'   \n    # the second\n    -   {target: '>= 0.7',metric: recall}\n",
        "mlspec: 1\n\nrequirements:\n  metrics:\n    - metric: roc_auc\n      target: '>= 0.8'\n    # the second\n    - {metric: recall, target: '>= 0.7'}\n",
    ),
    "brackets": (
        "mlspec: 1\nevaluation: { slices: [ a,b , {bins: [0,1,],column: c} ], threshold: 0.5 }\n",
        "mlspec: 1\n\nevaluation: {slices: [a, b, {column: c, bins: [0, 1]}], threshold: 0.5}\n",
    ),
    "line breaks inside brackets stay": (
        "mlspec: 1\nevaluation:\n   slices: [\n     a, b,\n        {bins: [0,1],column: c},\n   ]\n",
        "mlspec: 1\n\nevaluation:\n  slices: [\n    a, b,\n    {column: c, bins: [0, 1]},\n  ]\n",
    ),
    "comments inside brackets stay": (
        "mlspec: 1\nevaluation:\n    slices: [\n      a, # one\n      b,\n    ]\n    threshold: 0.5\n",
        "mlspec: 1\n\nevaluation:\n  slices: [\n    a, # one\n    b,\n  ]\n  threshold: 0.5\n",
    ),
    "a value below its key moves up where it fits": (
        "mlspec: 1\ndata:\n  sources:\n    s:\n      {path: p, kind: csv}\n",
        "mlspec: 1\n\ndata:\n  sources:\n    s: {kind: csv, path: p}\n",
    ),
    "blocks of text": (
        "mlspec: 1\nproject:\n      problem: |  # why\n            one\n              two\n\n            three\n      name: >-\n         n\n",
        "mlspec: 1\nproject:\n  name: >-\n    n\n  problem: | # why\n    one\n      two\n\n    three\n",
    ),
    "texts of several lines": (
        "mlspec: 1\nproject:\n      problem: a text\n            that goes on\n      owner: \"and\n        another\"\n      name: n\n",
        "mlspec: 1\nproject:\n  name: n\n  problem: a text\n    that goes on\n  owner: \"and\n    another\"\n",
    ),
    "anchors and tags": (
        "mlspec: 1\nsplits:   &s   # where\n   seed:   &seed 7\n   strategy: !!str random\ntraining: {seed: *seed}\n",
        "mlspec: 1\n\nsplits: &s # where\n  strategy: !!str random\n  seed: &seed 7\n\ntraining: {seed: *seed}\n",
    ),
    "an alias stays below its anchor": (
        "mlspec: 1\ntraining: {seed: &seed 7}\nsplits: {seed: *seed, strategy: random}\n",
        "mlspec: 1\n\ntraining: {seed: &seed 7}\n\nsplits: {strategy: random, seed: *seed}\n",
    ),
    "merge keys first": (
        "mlspec: 1\nx-a: &a {seed: 1}\nsplits: {strategy: random, <<: *a}\n",
        "mlspec: 1\n\nx-a: &a {seed: 1}\n\nsplits: {<<: *a, strategy: random}\n",
    ),
    "overlays have the sections of a spec": (
        "mlspec: 1\nenvironments:\n  prod:\n    splits: {seed: 1, strategy: random}\n    project: {phase: production, name: n}\n",
        "mlspec: 1\n\nenvironments:\n  prod:\n    project: {name: n, phase: production}\n    splits: {strategy: random, seed: 1}\n",
    ),
    "blank lines inside a section: one is kept": (
        "mlspec: 1\nproject:\n\n  name: n\n\n\n  problem: p\n\n",
        "mlspec: 1\nproject:\n  name: n\n\n  problem: p\n",
    ),
    "comments at the end of a block stay in it": (
        "mlspec: 1\nevaluation:\n    slices:\n        - a\n        # - b\n    # threshold: 0.4\n# more\nsplits: {seed: 1}\n",
        "mlspec: 1\n\n# more\nsplits: {seed: 1}\n\nevaluation:\n  slices:\n    - a\n    # - b\n  # threshold: 0.4\n",
    ),
    "a comment between the keys of an item": (
        "mlspec: 1\nrequirements:\n  metrics:\n  - target: '>= 1'\n    # which\n    metric: f1\n",
        "mlspec: 1\n\nrequirements:\n  metrics:\n    - target: '>= 1'\n      # which\n      metric: f1\n",
    ),
    "dashes and lists of lists": (
        "mlspec: 1\nx-a:\n-   - 1\n    - 2\n-\n  - 3\n- # note\n  k: v\n-\n",
        "mlspec: 1\n\nx-a:\n  - - 1\n    - 2\n  - - 3\n  - # note\n    k: v\n  -\n",
    ),
    "empty values": ("mlspec: 1\nproject:   # later\ntask:\n", "mlspec: 1\nproject: # later\n\ntask:\n"),
    "document marks": ("%YAML 1.2\n---\ntask: {kind: regression}\nmlspec: 1\n", "%YAML 1.2\n---\nmlspec: 1\n\ntask: {kind: regression}\n"),
    "the end of the file": ("mlspec: 1\nproject: {name: n}   \n\n\n", "mlspec: 1\nproject: {name: n}\n"),
    "no end of line at the end": ("mlspec: 1\nproject: {name: n} # c", "mlspec: 1\nproject: {name: n} # c\n"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_cases(text: str, wanted: str) -> None:
    assert formatted(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "? mlspec\n: 1\nproject: {name: n}\n",
        "project: {name: n}\nx-a: [a: 1]\nmlspec: 1\n",
        "project:\n  problem: |+\n    a\n\n  name: n\nmlspec: 1\n",
        "[1, 2]\n",
        "project: {name: n}\rmlspec: 1\n",
    ],
)
def test_what_is_written_in_an_unusual_way_stays(text: str) -> None:
    assert format_text(text, "spec.yaml") == text


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "", "\ta: 1\n", "a: *b\n"])
def test_a_text_with_errors_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        format_text(text, "spec.yaml")


def test_ends_of_lines_and_marks_stay() -> None:
    text = "\ufefftask: {kind: regression}\r\nmlspec: 1\r\n"
    assert format_text(text, "") == "\ufeffmlspec: 1\r\n\r\ntask: {kind: regression}\r\n"


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(catalogue().values()), ids=lambda rule: rule.name)
def test_examples_of_rules(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text of the rules' pages has to be left as it is because the formatter would break it."""
    judged: list[bool] = []
    honest = formatter._is_faithful

    def judge(*args: Any) -> bool:
        judged.append(honest(*args))
        return judged[-1]

    monkeypatch.setattr(formatter, "_is_faithful", judge)
    for example in (rule.page.bad, rule.page.good):
        try:
            formatted(example.spec)
        except Problem:
            assert parse(example.spec, "").problems
    assert all(judged)


# properties

OWN = [("data", "sources"), ("data", "columns"), ("evaluation", "metrics"), ("training", "tuning", "space"), ("steps",), ("model", "params")]  # fmt: skip


def is_named_by_users(route: Route) -> bool:
    names = tuple(step for step in route if isinstance(step, str))
    return names in OWN or (names[:1] == ("steps",) and names[-1:] in (("inputs",), ("outputs",)))


def shuffled(value: Any, route: Route, dice: random.Random) -> Any:
    if isinstance(value, list):
        return [shuffled(one, (*route, index), dice) for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if not is_named_by_users(route):
        dice.shuffle(keys)
    return {key: shuffled(value[key], (*route, key), dice) for key in keys}


def emitted(value: Any, route: Route, indent: int, seed: int) -> Iterator[str]:
    """Write plain data as YAML with comments, in blocks and in brackets; what stands where follows from the route and the seed."""
    for key, one in value.items():
        dice = random.Random(f"{seed} {route} {key}")
        if dice.random() < 0.2:
            yield " " * indent + f"# on {key}"
        behind = f" # {key}" if dice.random() < 0.2 else ""
        if isinstance(one, dict) and one and dice.random() < 0.6:
            yield " " * indent + f"{key}:{behind}"
            yield from emitted(one, (*route, key), indent + 2, seed)
        elif isinstance(one, list) and one and dice.random() < 0.6:
            yield " " * indent + f"{key}:{behind}"
            yield from (" " * indent + f"  - {written(item, flow=True)}" for item in one)
        else:
            yield " " * indent + f"{key}: {written(one, flow=True)}{behind}"


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), one=st.integers(), other=st.integers())
def test_the_order_of_keys_does_not_count(seed: int, one: int, other: int) -> None:
    data = parse(WHOLE, "").data
    texts = ["\n".join(emitted(shuffled(data, (), random.Random(order)), (), 0, seed)) for order in (one, other)]
    assert formatted(texts[0]) == formatted(texts[1])


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(spec=st.sampled_from(GALLERY), dice=st.randoms(use_true_random=False))
def test_spacing_does_not_count(spec: Path, dice: random.Random) -> None:
    text = spec.read_text(encoding="utf-8")
    lines: list[str] = []
    for line in text.splitlines():
        if lines and line and not line.startswith((" ", "#")) and not lines[-1].startswith("#"):
            lines += [" " * dice.randrange(3)] * dice.randrange(3)
        indent = len(line) - len(line.lstrip())
        line = " " * indent * 2 + line.lstrip()
        line = (
            line.replace(", ", "," + " " * dice.randrange(1, 3)) if "{" in line and '"' not in line and "#" not in line else line
        )
        lines.append(line + " " * dice.randrange(3))
    assert formatted("\n".join(lines)) == text
