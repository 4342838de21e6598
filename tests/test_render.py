"""Every filter gives text that its language reads back as the value, and ruff leaves emitted Python as it is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlspec import render

HOSTILE = (
    '"', "'", '"""', "'''", "\\", "\\\\", "\\n", "\n", "\r\n", "\t", "{{ x }}", "{% raw %}", "{# #}", "#", "# fmt: off", "!!python/object", "&a *a", "---",
    ": ", "- ", "$(id)", "`id`", "${HOME}", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ufeff", "é", "日本", "🦀", "e\u0301",
    "%s", "{0}", "yes", "null", "1e3", "0x10", "~", "", " ", "|", "<b>", "'\"", "x" * 90,
)  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=6).map("".join)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=12
)
words = texts.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))


def ruff_format(text: str) -> str:
    """Format with ruff's default settings, whatever configuration stands above this directory."""
    command = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "--stdin-filename", "emitted.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, encoding="utf-8").stdout


def sample(strategy: st.SearchStrategy[Any], count: int, seed: int = 0) -> list[Any]:
    """Draw many examples at once: one call of ruff can then judge them together."""
    drawn: list[Any] = []

    @settings(max_examples=count, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return drawn


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from True and 1.0, and -0.0 from 0.0."""
    return repr(left) == repr(right) if not isinstance(left, dict) else same_items(left, right)


def same_items(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return type(right) is dict and left.keys() == right.keys() and all(same_deep(left[key], right[key]) for key in left)


def same_deep(left: Any, right: Any) -> bool:
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same_deep, left, right))
    return same_items(left, right) if isinstance(left, dict) else type(left) is type(right) and repr(left) == repr(right)


@pytest.mark.slow
def test_literals_round_trip_and_ruff_leaves_them() -> None:
    drawn = sample(values, 1500)
    assert len(drawn) >= 1000
    for value in drawn:
        assert same_deep(ast.literal_eval(render.py(value)), value)
    emitted = "".join(f"{render.assign(value, f'V{index}')}\n" for index, value in enumerate(drawn))
    assert ruff_format(emitted) == emitted


def test_nested_literals_in_calls_are_left_by_ruff() -> None:
    drawn = sample(values, 400)
    calls = "".join(
        f"    step(\n        first={render.py(value, 8)},\n        n={index},\n    )\n" for index, value in enumerate(drawn)
    )
    emitted = f"def flow():\n{calls}"
    assert ruff_format(emitted) == emitted


def test_docstrings_and_comments_hold_anything() -> None:
    drawn = sample(texts, 1000)
    parts = []
    for index, text in enumerate(drawn):
        one, many = render.doc(text), render.doc(f"{text} word " * 8, 4)
        parts.append(
            f'def f{index}():\n    """{one}"""\n    # {render.comment(text)}\n\n\ndef g{index}():\n    """Summary.\n\n    {many}\n    """\n'
        )
    emitted = "\n\n".join(parts)
    tree = ast.parse(emitted)
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [
        f"{kind}{index}" for index in range(len(drawn)) for kind in "fg"
    ]
    for node, text in zip(tree.body[::2], drawn, strict=True):
        assert isinstance(node, ast.FunctionDef)
        assert len(node.body) == 1
        assert " ".join((ast.get_docstring(node, clean=True) or "").split()) == (render.visible(text) or "-")
    assert ruff_format(emitted) == emitted


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        words, st.recursive(st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), words), st.lists, max_leaves=5), max_size=4
    )
)
def test_toml_round_trips(value: dict[str, Any]) -> None:
    assert tomllib.loads(f"x = {render.toml(value)}")["x"] == value


@example("\n#")
@example('!!python/object"\n')
@settings(max_examples=600, deadline=None)
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words), lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)), max_leaves=12))  # fmt: skip
@pytest.mark.slow
def test_yaml_round_trips_in_both_versions(value: Any) -> None:
    import yaml as pyyaml

    text = render.yaml(value)
    assert same_deep(pyyaml.safe_load(text), value)
    assert same_deep(YAML(typ="safe", pure=True).load(StringIO(text)), value)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_prose_stays_on_its_line(text: str) -> None:
    for filtered in (render.md(text), render.md_code(text), render.comment(text), render.visible(text)):
        assert len(f"x{filtered}".splitlines()) == 1
        assert filtered.isprintable()
    assert "|" not in render.md_code(text)
    assert "|" not in render.md(text).replace("\\\\", "").replace("\\|", "")
    assert "<" not in render.md(text).replace("\\\\", "").replace("\\<", "")


def test_comment_gives_tools_no_instruction() -> None:
    assert render.comment("fmt: off\n# coding: ascii") == "fmt : off # coding : ascii"
    assert render.comment("") == "-"


def test_names() -> None:
    assert render.name("train_2") == "train_2"
    for bad in ("Train", "1x", "class", "a-b", "", "a b", "é"):
        with pytest.raises(ValueError, match="identifier"):
            render.name(bad)
    assert render.constant("train", "_PARAMS") == "TRAIN_PARAMS"
    assert render.identifier("class") == "class_"
    assert render.identifier("json", {"json", "json_"}) == "json__"
    assert render.slug("Ünïted  {{ 1 }}\n") == "n-ted-1"
    assert render.slug("日本") == "pipeline"
    assert render.slug("9 lives") == "pipeline-9-lives"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1: 2}, b"x", {1}, object()])
def test_py_refuses_what_is_not_json(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        render.py(bad)


def test_sh_refuses_control_characters() -> None:
    assert render.sh("a b") == "'a b'"
    with pytest.raises(ValueError, match="print"):
        render.sh("a\nb")


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr("mlspec.__path__", [str(tmp_path)])
    render._environment.cache_clear()

    def fill(text: str, **context: Any) -> str:
        (tmp_path / "templates" / "t.j2").write_text(text, encoding="utf-8")
        render._environment.cache_clear()
        return render.render("t.j2", **context)

    yield fill
    render._environment.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "{{ x }}",
        "{{ x | upper }}",
        "{{ (x | py) ~ 'a' }}",
        "{{ x | py | upper }}",
        "{{ 1 + 1 }}",
        "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}",
    ],
)
def test_guard_refuses_what_no_filter_quoted(template: Any, text: str) -> None:
    with pytest.raises(TypeError, match="without a filter"):
        template(text, x="a")


def test_guard_lets_quoted_values_and_macros_pass(template: Any) -> None:
    assert template("{% macro m(v) %}<{{ v | py }}>{% endmacro %}{{ m(x) }}\n", x="a'") == '<"a\'">\n'


@pytest.mark.parametrize("text", ["{{ y | py }}", "{{ y }}", "{{ y | md }}"])
def test_missing_values_are_errors(template: Any, text: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        template(text)


def test_json_is_sorted_and_finite() -> None:
    assert json.loads(render.json({"b": 1, "a": ["é"]})) == {"a": ["é"], "b": 1}
    assert render.json({"b": 1, "a": 2}).startswith('{\n "a"')
    with pytest.raises(ValueError, match="JSON"):
        render.json(float("nan"))
