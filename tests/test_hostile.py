"""Whatever a spec says, it stays text: hostile strings change no emitted program, document or command, on any backend."""

from __future__ import annotations

import ast
import functools
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlspec import backend, ops
from mlspec.bundle import Bundle
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Resources, Schedule, Stage, Step
from tests.pipelines import breast_cancer

HOSTILE = (
    '"', "'", '"""', "'''", '""""', '"; import os; os.system("x") #', "\\", "\\\\", "\\\"", "\\n", "\\N{BULLET}", "\\x", "a\\", "\n", "\r\n", "\n\n", "\n#", "\n- x: y",
    "\nimport os\n", "\n    raise SystemExit\n", "\ndef run(", "\t", "\f", "\v", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b",
    "\ufeff", "\ufffe", "{{ 7 * 7 }}", "{{", "}}", "{{$}}", "{{$.inputs.parameters['params']}}", "{{channel:task=;name=x;type=String;}}", "{% raw %}", "{% endraw %}", "{#", "#}",
    "#", "# fmt: off", "# noqa", "# type: ignore", "# -*- coding: ascii -*-", "!!python/object/apply:os.system [x]", "!tag", "&anchor", "*alias", "<<", "---", "...", ": ", "- ",
    "? ", "|", ">", "%YAML 1.1", "@", "`id`", "$(id)", "${HOME}", "$HOME", "; rm -rf /", "&& id", "\\\nRUN id", "\nRUN id", "\nFROM scratch", "ENV X=y", "<script>alert(1)</script>",
    "</textarea>", "&amp;", "[x](javascript:1)", "![x](y)", "# Title", "```", "\n```\n", "| a | b |", "***", "é", "e\u0301", "日本語", "🦀", "𝒳", "مرحبا", "ß", "İ", "%s", "%(x)s", "{}", "{0}",
    "{x!r}", "f'{x}'", "yes", "no", "null", "~", "true", "1e3", "0x10", "0o7", "1_000", "1:30", "2020-01-01", ".inf", ".nan", "", " ", "  x  ", "-", "--", "-rf", "../..", "C:\\x", "a/b",
    "class", "None", "__import__('os')", "x" * 100, "word " * 40, '"' * 7, "'\"" * 20, "\\" * 9,
)  # fmt: skip
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CHARACTERS = st.characters(exclude_categories=["Cs"])
hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=4).map("".join),
    st.text(CHARACTERS, max_size=12),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), hostile
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(hostile, inner, max_size=3)), max_leaves=6
)
objects = st.dictionaries(hostile, values, max_size=3)
routes = st.lists(st.one_of(hostile, st.integers(0, 9)), max_size=3).map(lambda rest: ("top", *rest))


@st.composite
def pipelines(draw: Any) -> Pipeline:
    """Small pipelines of our ops and the user's, with hostile text wherever text is free."""
    columns = draw(st.dictionaries(hostile, st.fixed_dictionaries({"role": st.just("feature"), "unit": hostile}), max_size=3))
    requirements = [{"id": draw(hostile), "kind": "metric", "route": list(draw(routes))} for _ in range(draw(st.integers(0, 2)))]
    own = (Port("table", Artifact.TABLE), Port("page", Artifact.HTML), Port("class", Artifact.FILE))
    steps = (
        Step(
            id="ingest", op=ops.INGEST, stage=Stage.DATA, routes=(draw(routes),), bindings={"data_root": "data_root"}, retries=2, timeout=60.5,
            params={"columns": columns, "sources": draw(objects), "data_root": "."}, resources=Resources(2.5, 3 * 2**30, draw(st.one_of(st.none(), hostile))),
        ),
        Step(
            id="validate", op=ops.VALIDATE, stage=Stage.DATA, routes=(draw(routes), draw(routes)), inputs={"data": Ref("ingest", "data")},
            params={"columns": columns, "checks": draw(st.lists(values, max_size=2)), "requirements": requirements},
        ),
        Step(id="check", op=ops.GATE, stage=Stage.DATA, routes=(draw(routes),), inputs={"decision": Ref("validate", "report")}, params={"subject": "data"}),
        Step(
            id="import", op=ops.PYTHON, stage=Stage.MODELING, routes=(draw(routes),), after=("check",), inputs={"data": Ref("validate", "data")},
            takes=(Port("data", Artifact.TABLE),), gives=own, params={"entrypoint": "mine:run", "params": draw(objects), "inputs": ["data"], "outputs": ["table", "page", "class"]},
        ),
        Step(
            id="last", op=ops.PYTHON, stage=Stage.MODELING, routes=(draw(routes),), inputs={"from": Ref("import", "class")},
            takes=(Port("from", Artifact.FILE),), params={"entrypoint": "mine:last", "params": {}, "inputs": ["from"], "outputs": []},
        ),
    )  # fmt: skip
    return Pipeline(
        name=draw(hostile),
        description=draw(hostile),
        steps=steps,
        parameters=(Parameter("data_root", draw(hostile), draw(hostile)),),
        schedule=draw(st.sampled_from([None, Schedule("0 3 * * 1", "UTC"), Schedule("0 3 * * 1", "Europe/Paris")])),
        code={"mine.py": draw(hostile), "package/__init__.py": draw(hostile)},
        about=draw(st.dictionaries(hostile, hostile, max_size=3)),
    )


# -- the benign twin of a pipeline

KEPT = frozenset(
    {
        "columns",
        "sources",
        "data_root",
        "checks",
        "requirements",
        "subject",
        "entrypoint",
        "params",
        "inputs",
        "outputs",
        "role",
        "unit",
        "id",
        "kind",
        "route",
    }
)
KEPT |= {".", "feature", "metric", "data", "mine:run", "mine:last", "table", "page", "class", "from", "top"}


class Tame:
    """Replaces each text by a word of its own; equal texts get equal words, so mappings keep their size."""

    def __init__(self, kept: frozenset[str] = KEPT) -> None:
        self.kept = kept
        self.words: dict[str, str] = {}

    def text(self, text: str) -> str:
        return text if text in self.kept or not text else self.words.setdefault(text, f"benign{len(self.words)}")

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return type(value)(map(self.value, value)) if isinstance(value, list | tuple) else value


def tamed(pipeline: Pipeline, kept: frozenset[str] = KEPT) -> Pipeline:
    """Return the same pipeline with harmless words in place of every free text. The name keeps what names of files are made of."""
    tame = Tame(kept)

    def step(one: Step) -> Step:
        return replace(
            one,
            params=tame.value(one.params),
            routes=tame.value(one.routes),
            resources=replace(one.resources, accelerator=tame.value(one.resources.accelerator)),
            environment={name: tame.text(text) for name, text in one.environment.items()},
            label=tame.text(one.label),
        )

    return replace(
        pipeline,
        name="-".join(re.findall(r"[a-z0-9]+", pipeline.name.lower())) or ("-" if pipeline.name else ""),
        description=tame.text(pipeline.description),
        steps=tuple(map(step, pipeline.steps)),
        exit=tuple(map(step, pipeline.exit)),
        parameters=tuple(Parameter(one.name, tame.text(one.default), tame.text(one.summary)) for one in pipeline.parameters),
        code={path: tame.text(text) for path, text in pipeline.code.items()},
        about=tame.value(pipeline.about),
        image=tame.value(pipeline.image),
    )


# -- the shape of a file: what is left when its texts are blank


class Blank(ast.NodeTransformer):
    """Blanks string constants, and orders the entries of literal mappings: sorted by key, other words stand in another order."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("text") if isinstance(node.value, str) else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        if all(isinstance(key, ast.Constant) for key in node.keys):
            node.values.sort(key=ast.dump)
        return node


def program(text: str) -> Any:
    return ast.dump(Blank().visit(ast.parse(text)))


def data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"mapping": sorted((data(item) for item in value.values()), key=repr)}
    if isinstance(value, list):
        return [data(item) for item in value]
    return "text" if isinstance(value, str) else value


def documents(text: str) -> Any:
    return [data(document) for document in yaml.load_all(text, LOADER)]


def lines(text: str) -> Any:
    """Lines of a Dockerfile, a lock, a script: how many, and the first word of each."""
    return [line.split(" ")[0] for line in text.split("\n")]


def prose(text: str) -> Any:
    """Lines of Markdown: how many, and which are headings, fences, rows of tables, items of lists."""
    return [re.sub(r"[^#`|\->].*", "", line, count=1) for line in text.split("\n")]


SHAPES: dict[str, Callable[[str], Any]] = {
    ".py": program,
    ".yaml": documents,
    ".yml": documents,
    ".md": prose,
    ".json": lambda text: data(json.loads(text)),
    ".toml": lambda text: data(tomllib.loads(text)),
}


def shape(path: str, text: str) -> Any:
    return SHAPES.get(path[path.rfind(".") :], lines)(text)


def differences(evil: Bundle, good: Bundle) -> Iterator[str]:
    """Yield each file of two bundles that is there once only, or whose shape differs. The user's own code has no shape to keep."""
    yield from sorted(evil.files.keys() ^ good.files.keys())
    for path in sorted(evil.files.keys() & good.files.keys()):
        one, other = evil.files[path], good.files[path]
        if not path.startswith("src/") and one != other and shape(path, one) != shape(path, other):
            yield path


def literals(bundle: Bundle) -> Iterator[str]:
    """Yield every mapping that the programs and documents of a bundle hold, in one form."""
    for path, text in bundle.files.items():
        if not path.startswith("src/"):
            yield from literals_of(path[path.rfind(".") :], text)


@functools.lru_cache(maxsize=64)  # many files are the same for every pipeline
def literals_of(suffix: str, text: str) -> frozenset[str]:
    if suffix == ".py":
        return frozenset(constants(text))
    if suffix in (".yaml", ".yml"):
        return frozenset(mappings(list(yaml.load_all(text, LOADER))))
    return frozenset(mappings(json.loads(text))) if suffix == ".json" else frozenset()


def constants(text: str) -> Iterator[str]:
    """Yield the literal mappings of a program and those in them."""
    left: list[ast.AST] = [ast.parse(text)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Dict):
            try:
                value = ast.literal_eval(node)
            except (ValueError, TypeError, SyntaxError):
                pass
            else:
                yield from mappings(value)
                continue
        left.extend(ast.iter_child_nodes(node))


def parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from parts(item)


def mappings(value: Any) -> Iterator[str]:
    """Yield each mapping in a value, in one form: a step's params are one."""
    return (canonical(part) for part in parts(value) if isinstance(part, Mapping))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def check(name: str, pipeline: Pipeline, kept: frozenset[str] = KEPT) -> None:
    """Hold one backend to it: hostile and benign text give the same shapes, and every step's params are there, unchanged."""
    emitter = backend.load(name)
    evil, good = emitter.emit(pipeline), emitter.emit(tamed(pipeline, kept))
    assert list(differences(evil, good)) == []
    for path, text in pipeline.code.items():
        assert evil.files[f"src/{path}"] == text
    found = set(literals(evil))
    assert list(lost(pipeline, found)) == [], "the params of these steps are not in any file as they are in the spec"
    assert codes(emitter, pipeline) == codes(emitter, tamed(pipeline, kept))


def codes(emitter: backend.Backend, pipeline: Pipeline) -> set[str]:
    """What a backend says of a pipeline, but for what it says of texts: that one is no name for Kubernetes."""
    return {finding.code for finding in emitter.lacks(pipeline)} - {"not-for-kubernetes"}


def lost(pipeline: Pipeline, found: set[str]) -> Iterator[str]:
    """Yield each step whose params are in no file. What a family has in common may stand apart from what its members have not."""
    left = [step for step in pipeline.steps if canonical(step.params) not in found]
    apart = {canonical({name: value}) for text in found for name, value in json.loads(text).items()} if left else set()
    for step in left:
        if not step.family or not all(canonical({name: value}) in apart for name, value in step.params.items()):
            yield step.id


# -- the tests

EVERY = pytest.mark.parametrize("name", list(backend.names()))
SLOW_TO_DRAW = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@EVERY
def test_hostile_text_stays_text(name: str) -> None:
    @settings(SLOW_TO_DRAW, max_examples=300)
    @given(pipelines())
    def holds(pipeline: Pipeline) -> None:
        check(name, pipeline)

    holds()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("word", HOSTILE)
def test_each_word_everywhere_in_a_whole_pipeline(name: str, word: str) -> None:
    check(name, haunted(breast_cancer(), word), frozenset(strings(breast_cancer())))


def haunted(pipeline: Pipeline, word: str) -> Pipeline:
    """Put a word into every free text of a pipeline, beside what stands there."""
    steps = tuple(
        replace(step, params={**step.params, word: [word, {word: word}]}, routes=(*step.routes, ("top", word)))
        for step in pipeline.steps
    )
    return replace(
        pipeline,
        name=word,
        description=word,
        steps=steps,
        about={**pipeline.about, word: word},
        code={"mine.py": word},
        parameters=tuple(replace(one, default=word, summary=word) for one in pipeline.parameters),
    )


def strings(pipeline: Pipeline) -> Iterator[str]:
    """Yield every text of a pipeline's params and routes, keys included."""
    for step in pipeline.steps:
        for part in (*parts(dict(step.params)), *(item for route in step.routes for item in route)):
            if isinstance(part, str):
                yield part
            elif isinstance(part, Mapping):
                yield from part


# -- the checks themselves can fail


@pytest.mark.parametrize(
    ("path", "evil", "good"),
    [
        ("a.py", 'x = "a"\nimport os', 'x = "b"'),
        ("a.py", 'x = {"a": 1}', 'x = {"a": 2}'),
        ("a.py", 'f("a", "b")', 'f("a")'),
        ("a.yaml", "a: b\nc: d", "a: b"),
        ("a.yaml", "a: 1", "a: b"),
        ("a.json", '{"a": [1]}', '{"a": []}'),
        ("a.toml", "a = 1", "a = 2"),
        ("Dockerfile", "RUN x\nRUN y", "RUN x"),
        ("Dockerfile", "RUN x", "ENV x"),
        ("README.md", "x\n# y", "x\ny"),
    ],
)
def test_a_difference_is_seen(path: str, evil: str, good: str) -> None:
    one, two = Bundle(), Bundle()
    one.add(path, evil)
    two.add(path, good)
    assert list(differences(one, two)) == [path]
    assert list(differences(one, one)) == []
