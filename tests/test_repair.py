"""Fixes: what changes is what was to change, all else stays byte for byte, and every rule's fix mends its fault."""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlspec import layers, lint, repair
from mlspec.amend import CannotError, amended, changed, refined, same, written
from mlspec.concrete import read
from mlspec.diagnostic import Change, Diagnostic, Finding, Fix, Problem, Route, Severity
from mlspec.document import parse
from mlspec.formatter import comments
from mlspec.lint import Opened
from mlspec.rules import Rule, catalogue

ROOT = Path(__file__).parent.parent
BASE = ROOT / "tests" / "data" / "rules" / "base.yaml"
SPECS = [*sorted((ROOT / "specs").glob("*.yaml")), ROOT / "tests" / "data" / "spec" / "whole.yaml"]

SET: Final = "set"
RENAME: Final = "rename"
REMOVE: Final = "remove"
A_TEXT = """\
# the top
a: 1   # one
b:   'x'
list:
- one  # first
# about two
- two

- three: 3
  four: 4  # 4
flow: {k: v,  l: [1, 2 ,3], m: {}}   # flow
deep:
    # about it
    e: |
      text
    f: "q"
empty:
last: {x: 1}
"""

CASES: dict[str, tuple[Change, str, str]] = {
    "a value": (Change(SET, ("a",), 2), "a: 1   # one", "a: 2   # one"),
    "quotes stay": (Change(SET, ("b",), "y"), "b:   'x'", "b:   'y'"),
    "quotes that are needed": (Change(SET, ("a",), ">= 1"), "a: 1 ", 'a: ">= 1" '),
    "a text that would be a number": (Change(SET, ("a",), "1"), "a: 1 ", 'a: "1" '),
    "a text that would be a boolean elsewhere": (Change(SET, ("a",), "yes"), "a: 1 ", 'a: "yes" '),
    "a text with a comma in brackets": (Change(SET, ("flow", "k"), "a, b"), "k: v", 'k: "a, b"'),
    "a list": (Change(SET, ("a",), [1, "x"]), "a: 1 ", "a: [1, x] "),
    "a mapping": (Change(SET, ("a",), {"b": None, "c": [True]}), "a: 1 ", "a: {b: null, c: [true]} "),
    "an item of a block": (Change(SET, ("list", 1), "zwei"), "- two", "- zwei"),
    "an item in brackets": (Change(SET, ("flow", "l", 1), 9), "[1, 2 ,3]", "[1, 9 ,3]"),
    "a value where none is": (Change(SET, ("empty",), 1), "empty:\n", "empty: 1\n"),
    "a key below nothing": (Change(SET, ("empty", "x", "y"), 1), "empty:\n", "empty: {x: {y: 1}}\n"),
    "a key in brackets": (Change(SET, ("last", "y"), 2), "{x: 1}", "{x: 1, y: 2}"),
    "a key in empty brackets": (Change(SET, ("flow", "m", "n"), 2), "m: {}", "m: {n: 2}"),
    "a key in a block": (Change(SET, ("deep", "g"), 7), '    f: "q"\n', '    f: "q"\n    g: 7\n'),
    "a key in an item": (Change(SET, ("list", 2, "five"), 5), "  four: 4  # 4\n", "  four: 4  # 4\n  five: 5\n"),
    "a key at the end": (Change(SET, ("new",), 7), "last: {x: 1}\n", "last: {x: 1}\nnew: 7\n"),
    "missing parents": (Change(SET, ("p", "q", "r"), 7), "last: {x: 1}\n", "last: {x: 1}\np: {q: {r: 7}}\n"),
    "one item more in a block": (Change(SET, ("list", 3), "z"), "  four: 4  # 4\n", "  four: 4  # 4\n- z\n"),
    "one item more in brackets": (Change(SET, ("flow", "l", 3), 4), "2 ,3]", "2 ,3, 4]"),
    "another key": (Change(RENAME, ("deep", "f"), "g"), '    f: "q"', '    g: "q"'),
    "another key in brackets": (Change(RENAME, ("flow", "l"), "n"), "l: [", "n: ["),
    "a key that needs quotes": (Change(RENAME, ("a",), "7"), "a: 1 ", '"7": 1 '),
    "a key with its comment": (Change(REMOVE, ("a",)), "a: 1   # one\n", ""),
    "a block": (Change(REMOVE, ("deep", "e")), "    e: |\n      text\n", ""),
    "the last key in brackets": (Change(REMOVE, ("last", "x")), "{x: 1}", "{}"),
    "a key at the end of brackets": (Change(REMOVE, ("flow", "m")), ", m: {}", ""),
    "a key in the midst of brackets": (Change(REMOVE, ("flow", "l")), "l: [1, 2 ,3], ", ""),
    "an item with its comment": (Change(REMOVE, ("list", 0)), "- one  # first\n", ""),
    "an item between comments": (Change(REMOVE, ("list", 1)), "- two\n", ""),
    "what stands behind the dash": (Change(REMOVE, ("list", 2, "three")), "three: 3\n  ", ""),
    "what stands below the dash": (Change(REMOVE, ("list", 2, "four")), "  four: 4  # 4\n", ""),
    "the last line": (Change(REMOVE, ("last",)), "last: {x: 1}\n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("change", "old", "new"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_one_change(change: Change, old: str, new: str, newline: str) -> None:
    assert A_TEXT.count(old) == 1
    text, wanted = (one.replace("\n", newline) for one in (A_TEXT, A_TEXT.replace(old, new)))
    assert amended(text, [change]) == wanted


def test_the_last_key_of_a_block_leaves_brackets() -> None:
    assert amended("a:\n  b: 1 # c\nd: 2\n", [Change(REMOVE, ("a", "b"))]) == "a: {} # c\nd: 2\n"
    assert amended("a:\n- b\nd: 2\n", [Change(REMOVE, ("a", 0))]) == "a: []\nd: 2\n"


def test_a_file_without_an_end_of_line() -> None:
    assert amended("a: 1\nb: 2", [Change(REMOVE, ("b",))]) == "a: 1"
    assert amended("a: 1\nb: 2", [Change(SET, ("c",), 3)]) == "a: 1\nb: 2\nc: 3"


def test_one_blank_line_is_left_of_two() -> None:
    assert amended("a: 1\n\nb: 2\n\nc: 3\n", [Change(REMOVE, ("b",))]) == "a: 1\n\nc: 3\n"


def test_a_new_section_stands_apart_where_sections_do() -> None:
    assert amended("a: 1\n\nb: 2\n", [Change(SET, ("c",), 3)]) == "a: 1\n\nb: 2\n\nc: 3\n"


def test_lists_change_item_by_item() -> None:
    text = "k:\n  - a  # on a\n  - b\n  - {x: 1}\n"
    for new, wanted in [
        (["a", "c", {"x": 1}], text.replace("- b", "- c")),
        (["a", {"x": 1}], text.replace("  - b\n", "")),
        (["a", "b", {"x": 1}, "z"], text + "  - z\n"),
        (["a", "b", {"x": 2}], text.replace("1", "2")),
    ]:
        assert amended(text, list(refined(["a", "b", {"x": 1}], ("k",), new))) == wanted


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("a: &x {k: 1}\nb: *x\n", Change(SET, ("a", "k"), 2)),  # would change b, too
        ("a: &x {k: 1}\nb: *x\n", Change(SET, ("b", "k"), 2)),  # stands in a
        ("a: &x 1\nb: *x\n", Change(SET, ("a",), 2)),
        ("a: &x 1\nb: *x\n", Change(REMOVE, ("a",))),  # b would stand for nothing
        ("a: &x {k: 1}\nb:\n  <<: *x\n", Change(REMOVE, ("b", "k"))),
        ("a: !!str 1\n", Change(SET, ("a",), 2)),
        ("a: |\n  x\n", Change(SET, ("a",), "y")),
        ("a: 1\nb: 2\n", Change(RENAME, ("a",), "b")),
        ("a: 1\n", Change(REMOVE, ("b",))),
        ("a: 1\n", Change(SET, ("a", "b"), 1)),
        ("a:\n  # on b\n  b: 1\n", Change(SET, ("a",), 1)),  # whose is the comment?
        ("a: [1,\n  2, # two\n  3]\n", Change(REMOVE, ("a", 1))),
        ("a: [1\n", Change(SET, ("a",), 1)),
        ("? a\n: 1\n", Change(SET, ("a",), 1)),
    ],
)
def test_what_is_not_certain_is_not_done(text: str, change: Change) -> None:
    with pytest.raises(CannotError):
        amended(text, [change])


# properties

LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(LETTERS, max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=6), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.sampled_from(["yes", "null", "1.5", "- a", "a: b", "a #b", "{x", "*a", "&a", "!t", "|", "é", "it's", 'a"b', "", " a ", "~", "0x1f", "a,b", "x:y", "@", "%", "`", "?", "<<"])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(value=VALUES | WORDS, flow=st.booleans(), style=st.sampled_from(["", "'", '"']))
def test_a_value_is_read_back(value: Any, flow: bool, style: str) -> None:
    text = written(value, flow=flow, style=style)
    document = parse(f"{{k: [{text}, 1]}}" if flow else f"k: {text}", "")
    assert document.problems == ()
    assert same(document.data, {"k": [value, 1] if flow else value})
    assert "\n" not in text


@cache
def routes(path: Path) -> tuple[str, Any, tuple[Route, ...]]:
    text = path.read_text(encoding="utf-8")
    data = parse(text, "").data
    found: list[Route] = []
    waiting: list[tuple[Route, Any]] = [((), data)]
    while waiting:
        route, value = waiting.pop()
        found += [route] if route else []
        steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [((*route, key), inner) for key, inner in steps]
    return text, data, tuple(found)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_changes_of_specs(data: st.DataObject) -> None:
    """The new data is the old data with the change made; of the comments at most those of what is removed are gone."""
    text, old, places = routes(data.draw(st.sampled_from(SPECS)))
    text = text.replace("\n", data.draw(st.sampled_from(["\n", "\r\n"])))
    route = data.draw(st.sampled_from(places))
    action = data.draw(st.sampled_from([SET, "add", RENAME, REMOVE]))
    if action == "add":
        change = Change(SET, (*route, "x-new", "deep"), data.draw(VALUES | WORDS))
    elif action == RENAME:
        assume(isinstance(route[-1], str))
        change = Change(RENAME, route, data.draw(WORDS.filter(lambda word: word not in ("", "<<"))))
    else:
        change = Change(action, route, data.draw(VALUES | WORDS) if action == SET else None)  # type: ignore[arg-type]
    try:
        wanted = changed(old, change)
        new = amended(text, [change])
    except CannotError:
        assume(False)
    assert same(parse(new, "").data, wanted)
    cuts = list(repair.hunks(text, new))
    kept, at = [], 0
    for start, end, _ in cuts:
        kept.append(text[at:start])
        at = end
    assert sum(end - start for start, end, _ in cuts) + sum(map(len, kept)) + len(text[at:]) == len(text)
    again = text
    for start, end, put in reversed(cuts):
        again = again[:start] + put + again[end:]
    assert again == new
    before, after = (read(one) for one in (text, new))
    assert before
    assert after
    lost = Counter(comments(text, before)) - Counter(comments(new, after))
    assert not Counter(comments(new, after)) - Counter(comments(text, before))
    if action != REMOVE:
        assert not lost


@pytest.mark.slow
def test_most_changes_of_specs_can_be_made() -> None:
    """Else the property above would hold of nothing."""
    done = tried = 0
    for path in SPECS:
        text, _, places = routes(path)
        for route in [one for one in places[::6] if "names" not in one]:  # that is a list with an anchor, one text for two places
            for change in (Change(SET, route, "new"), Change(REMOVE, route), Change(RENAME, route, "other")):
                if change.action == RENAME and not isinstance(route[-1], str):
                    continue
                tried += 1
                try:
                    amended(text, [change])
                    done += 1
                except CannotError:
                    pass
    assert done / tried > 0.96, f"{done} of {tried}"


# placing


def finding(*changes: Change) -> Finding:
    return Finding("x", "x", changes[0].route, fix=Fix("do it", changes))


def placed(path: Path, *changes: Change, **options: Any) -> dict[str, str] | None:
    layered = layers.load(path, **options)
    patch = repair.placed(layered.place_finding(finding(*changes)), layered)
    if patch is None:
        return None
    files = {one.file for one in patch.replacements}
    return {Path(file).name: repair.apply(layered.texts[file], file, [patch]) for file in files}


def test_the_file_that_sets_a_value_is_changed(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("a: {x: 1, y: 2}\nl: [1]\n")
    top = tmp_path / "top.yaml"
    top.write_text("extends: low.yaml\na: {y: 3}\nenvironments: {prod: {a: {x: 9}}}\n")
    assert placed(top, Change(SET, ("a", "x"), 7)) == {"low.yaml": "a: {x: 7, y: 2}\nl: [1]\n"}
    assert placed(top, Change(SET, ("a", "y"), 7)) == {"top.yaml": top.read_text().replace("y: 3", "y: 7")}
    assert placed(top, Change(SET, ("a", "z"), 7)) == {"top.yaml": top.read_text().replace("y: 3", "y: 3, z: 7")}
    assert placed(top, Change(SET, ("l", 1), 7)) == {"low.yaml": "a: {x: 1, y: 2}\nl: [1, 7]\n"}
    assert placed(top, Change(SET, ("a", "x"), 7), env="prod") == {"top.yaml": top.read_text().replace("x: 9", "x: 7")}
    assert placed(top, Change(SET, ("a", "x"), 7), sets=["a.x=5"]) is None
    both = placed(top, Change(SET, ("a", "x"), 7), Change(REMOVE, ("a", "y")))
    assert both == {"low.yaml": "a: {x: 7, y: 2}\nl: [1]\n", "top.yaml": top.read_text().replace("{y: 3}", "{}")}


def test_several_changes_go_by_the_old_routes(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text("l: [a, b, c, d]\nold: {k: 1}\n")
    assert placed(top, *(Change(REMOVE, ("l", index)) for index in (0, 1, 3))) == {"top.yaml": "l: [c]\nold: {k: 1}\n"}
    renamed = placed(top, Change(RENAME, ("old",), "new"), Change(SET, ("old", "k"), 2))
    assert renamed == {"top.yaml": "l: [a, b, c, d]\nnew: {k: 2}\n"}


# repairing


def checker(path: Path, **options: Any) -> Callable[[Mapping[str, str]], Opened]:
    return lambda texts: lint.check(path, texts=texts, **options)


def laid(rule: Rule, folder: Path) -> tuple[Path, list[Path]]:
    """Write a rule's bad example; return the spec, and all files that may change."""
    for name, text in rule.page.bad.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    whole = re.search(r"^mlspec:", rule.page.bad.spec, flags=re.MULTILINE)
    (folder / "base.yaml").write_bytes(BASE.read_bytes())
    spec = folder / "spec.yaml"
    spec.write_text(rule.page.bad.spec if whole else f"extends: base.yaml\n{rule.page.bad.spec}", encoding="utf-8")
    return spec, [spec] if whole else [spec, folder / "base.yaml"]


def told(opened: Opened) -> Counter[str]:
    found = (one.finding for one in opened.diagnostics if one.finding.severity is not Severity.INFO)
    return Counter(one.code for one in found if one.code != repair.UNREALISED)


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(catalogue().values()), ids=lambda rule: rule.name)
def test_the_fix_of_a_rule(rule: Rule, tmp_path: Path) -> None:
    """In a rule's bad example its fix, where it has one, mends the fault, adds none, and nothing is left to do."""
    spec, files = laid(rule, tmp_path)
    check = checker(spec, data=rule.data)
    first = check({})
    fixable = [one for one in first.diagnostics if one.finding.code == rule.name and repair.placed(one, first.layered)]
    if not fixable:
        assert not any(one.finding.fix for one in first.diagnostics if one.finding.code == rule.name), "its fix cannot be placed"
        return
    repaired = repair.repair(spec, unsafe=True, check=check, files=files)
    left = [one for one in repaired.opened.diagnostics if one.finding.code == rule.name]
    had = sum(one.finding.code == rule.name for one in first.diagnostics)
    assert len(left) <= had - len(fixable), "the fix does not mend it, or brings another fault"
    if rule.check is not None:  # else what was hidden may show
        assert not told(repaired.opened) - told(first)
    repaired.write()
    again = repair.repair(spec, unsafe=True, check=check, files=files)
    assert again.texts == {}


FAULTY = {
    "tabs": ("tab-indent", "mlspec: 1\nproject:\n\tname: a\n\tproblem: b\n", "mlspec: 1\nproject:\n  name: a\n  problem: b\n"),
    "a boolean of YAML 1.1": ("yaml-1-1-boolean", "mlspec: 1\nx-a: yes\n", 'mlspec: 1\nx-a: "yes"\n'),
    "an octal number": ("yaml-1-1-number", "mlspec: 1\nx-a: 010\n", "mlspec: 1\nx-a: 10\n"),
    "a number in base 60": ("yaml-1-1-number", "mlspec: 1\nx-a: 1:30\n", 'mlspec: 1\nx-a: "1:30"\n'),
    "a star": ("unquoted-value", "mlspec: 1\nx-a: *.csv\n", 'mlspec: 1\nx-a: "*.csv"\n'),
    "an at": ("unquoted-value", "mlspec: 1\nx-a: [@me, b]\n", 'mlspec: 1\nx-a: ["@me", b]\n'),
    "a reference": ("unquoted-value", "mlspec: 1\nx-a: {k: ${env:A}}\n", 'mlspec: 1\nx-a: {k: "${env:A}"}\n'),
    "a number as a key": ("key-not-text", "mlspec: 1\nx-a: {2019: 1}\n", 'mlspec: 1\nx-a: {"2019": 1}\n'),
    "the same twice": ("duplicate-key", "mlspec: 1\nx-a: {k: [1, a]}\nx-a: {k:  [1, 'a']}\n", "mlspec: 1\nx-a: {k: [1, a]}\n"),
    "no blank behind a colon": ("missing-colon", "mlspec: 1\nproject:\n  name:a\n  problem: b\n", "mlspec: 1\nproject:\n  name: a\n  problem: b\n"),
    "no comma": ("missing-comma", 'mlspec: 1\nx-a: ["a" "b"]\n', 'mlspec: 1\nx-a: ["a", "b"]\n'),
    "a colon in a text": ("unexpected-colon", "mlspec: 1\nx-a: see: there # c\n", 'mlspec: 1\nx-a: "see: there" # c\n'),
}  # fmt: skip


@pytest.mark.parametrize(("code", "text", "wanted"), FAULTY.values(), ids=FAULTY)
def test_faults_of_the_text(code: str, text: str, wanted: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    assert code in [one.finding.code for one in lint.check(spec).diagnostics]
    repaired = repair.repair(spec, unsafe=True, check=checker(spec))
    assert repaired.opened.layered.texts[str(spec)] == wanted
    assert code not in [one.finding.code for one in repaired.opened.diagnostics]
    assert not [one for one in parse(wanted, "").problems if one.finding.code == code]


@pytest.mark.parametrize(
    "text",
    [
        "mlspec: 1\nx-a: 1\nx-a: 2\n",
        "mlspec: 1\nx-a:\n  b: 1\n\tc: 2\n    d: 3\n",
        "mlspec: 1\nx-a: [1, 2\n",
        'mlspec: 1\nx-a: "abc\n',
    ],
)
def test_doubtful_faults_of_the_text_stay(text: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    assert repair.repair(spec, unsafe=True, check=checker(spec)).texts == {}


def faked(path: Path, judge: Callable[[dict[str, Any]], list[Finding]]) -> Callable[[Mapping[str, str]], Opened]:
    """A check of our own, of whatever data."""

    def check(texts: Mapping[str, str]) -> Opened:
        layered = layers.load(path, texts=texts)
        found = [*layered.problems, *map(layered.place_finding, judge(layered.data))]
        return Opened(path, layered, tuple(found), None)

    return check


def test_a_fix_that_does_harm_is_taken_back(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1 # a\nb: 1\nc: 1\n")

    def judge(data: dict[str, Any]) -> list[Finding]:
        faults = [
            Finding(f"of-{key}", "m", (key,), Severity.WARNING, fix=Fix("f", (Change(SET, (key,), 2),)))
            for key in "abc"
            if data[key] == 1
        ]
        return faults + ([Finding("harm", "m", ("b",), Severity.WARNING)] if data["b"] == 2 else [])

    repaired = repair.repair(spec, unsafe=False, check=faked(spec, judge))
    assert repaired.texts == {str(spec): ("a: 1 # a\nb: 1\nc: 1\n", "a: 2 # a\nb: 1\nc: 2\n")}
    assert [one.finding.code for one, _ in repaired.applied] == ["of-a", "of-c"]
    assert spec.read_text() == "a: 1 # a\nb: 1\nc: 1\n"
    assert repaired.diff() == f"--- {spec}\n+++ {spec}\n@@ -1,3 +1,3 @@\n-a: 1 # a\n+a: 2 # a\n b: 1\n-c: 1\n+c: 2\n"


def test_a_fix_that_mends_nothing_is_taken_back(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1\n")
    check = faked(spec, lambda data: [Finding("f", "m", ("a",), fix=Fix("f", (Change(SET, ("a",), data["a"] + 1),)))])
    assert repair.repair(spec, unsafe=False, check=check).texts == {}


def test_a_fix_may_need_another(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1\nb: 1\n")

    def judge(data: dict[str, Any]) -> list[Finding]:
        if data["a"] == 1:
            return [Finding("a-is-one", "m", ("a",), fix=Fix("f", (Change(SET, ("a",), 2),)))]
        return [Finding("b-is-not-a", "m", ("b",), fix=Fix("f", (Change(SET, ("b",), 2),)))] if data["b"] != 2 else []

    repaired = repair.repair(spec, unsafe=False, check=faked(spec, judge))
    assert repaired.texts[str(spec)][1] == "a: 2\nb: 2\n"
    assert len(repaired.applied) == 2


def test_unsafe_fixes_wait_to_be_asked_for(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1\n")
    check = faked(
        spec,
        lambda data: [Finding("f", "m", ("a",), fix=Fix("f", (Change(SET, ("a",), 2),), safe=False))] if data["a"] == 1 else [],
    )
    repaired = repair.repair(spec, unsafe=False, check=check)
    assert (repaired.texts, repaired.applied, len(repaired.withheld)) == ({}, (), 1)
    assert repair.repair(spec, unsafe=True, check=check).texts[str(spec)][1] == "a: 2\n"


def test_only_the_files_named_are_changed(tmp_path: Path) -> None:
    low, top = tmp_path / "low.yaml", tmp_path / "top.yaml"
    low.write_text("a: {x: 1}\n")
    top.write_text("extends: low.yaml\n")

    def judge(data: dict[str, Any]) -> list[Finding]:
        faults = [] if "y" in data["a"] else [Finding("no-y", "m", ("a",), fix=Fix("f", (Change(SET, ("a", "y"), 2),)))]
        return faults + (
            [Finding("x", "m", ("a", "x"), fix=Fix("f", (Change(SET, ("a", "x"), 2),)))] if data["a"]["x"] == 1 else []
        )

    alone = repair.repair(top, unsafe=False, check=faked(top, judge))
    assert {name: new for name, (_, new) in alone.texts.items()} == {str(top): "extends: low.yaml\na: {y: 2}\n"}
    both = repair.repair(top, unsafe=False, check=faked(top, judge), files=[top, low])
    assert {name: new for name, (_, new) in both.texts.items()} == {str(low): "a: {x: 2, y: 2}\n"}


def test_typos_are_fixed_in_place(tmp_path: Path) -> None:
    spec = tmp_path / "churn.yaml"
    text = (ROOT / "specs" / "churn.yaml").read_text(encoding="utf-8")
    spec.write_text(text.replace("requirements:", "requirments:").replace("strategy: strat", "stratgy: strat"), encoding="utf-8")
    repaired = repair.repair(spec, unsafe=False, check=checker(spec))
    assert repaired.opened.layered.texts[str(spec)] == text
    assert len(repaired.diff().splitlines()) < 30


# writing


def test_writing_keeps_the_mark_the_rights_and_the_link(tmp_path: Path) -> None:
    spec, link = tmp_path / "spec.yaml", tmp_path / "link.yaml"
    spec.write_bytes(b"\xef\xbb\xbfa: yes\r\nb: 1")
    spec.chmod(0o640)
    link.symlink_to(spec)
    check = faked(link, lambda data: [])
    repaired = repair.repair(link, unsafe=False, check=check)
    repaired.write()
    assert spec.read_bytes() == b'\xef\xbb\xbfa: "yes"\r\nb: 1'
    assert stat.S_IMODE(spec.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.yaml", "spec.yaml"]


def test_a_file_that_changed_meanwhile_is_left(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: yes\n")
    repaired = repair.repair(spec, unsafe=False, check=faked(spec, lambda data: []))
    spec.write_text("a: no\n")
    with pytest.raises(Problem, match="file-changed"):
        repaired.write()
    assert spec.read_text() == "a: no\n"


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="unwritable-file"):
        repair.write(str(tmp_path / "none" / "spec.yaml"), "a", "b")


def test_bytes_that_are_not_utf_8_are_not_lost(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(b"a: yes\nb: \xe9\n")
    assert repair.repair(spec, unsafe=True, check=faked(spec, lambda data: [])).texts == {}


def test_a_diff_tells_of_a_missing_end_of_line() -> None:
    assert (
        repair.unified("f", "a\nb", "a\nc")
        == "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    )


def test_a_diagnostic_without_a_fix_has_no_patch(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1\n")
    layered = layers.load(spec)
    plain = Diagnostic(Finding("x", "m"), str(spec))
    assert repair.placed(plain, layered) is None
