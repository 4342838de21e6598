"""What a backend is held to, as tests: a module that imports them has them (`from mlspec.kit.suite import *`).

The module has a fixture `interpreters` (name -> path), and RUNNERS, where they are not those of the command line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlspec import backend as backends
from mlspec import build, ops
from mlspec import trace as traces
from mlspec.bundle import Bundle
from mlspec.diagnostic import Problem
from mlspec.ir import Artifact, Parameter, Pipeline, Port, Ref, Schedule, Secret, Stage, Step
from mlspec.kit import batch
from mlspec.kit.case import Case, Expected, cases
from mlspec.kit.plugin import PROPERTY, chosen

__all__ = [
    "pytest_generate_tests",
    "shared_folder",
    "test_each_notion_is_realised_or_lacking",
    "test_emission_is_pure",
    "test_hostile_text_is_text",
    "test_the_case_ends_as_it_must",
    "test_trace_names_every_step",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the backends, and the one that runs cases the cases."""
    names = getattr(metafunc.module, "RUNNERS", chosen(metafunc.config))
    if "case" in metafunc.fixturenames:
        pairs = [(name, case) for name in names for case in cases()]
        metafunc.parametrize(("runner", "case"), pairs, ids=[f"{name}-{case}" for name, case in pairs])
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [name for name in names if name != batch.LOCAL])


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share: each batch is run by one of them."""
    top = tmp_path_factory.getbasetemp()
    return (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / "mlspec-kit"


# -- the cases


def test_the_case_ends_as_it_must(
    runner: str,
    case: str,
    interpreters: Mapping[str, str],
    shared_folder: Path,
    record_property: Any,
    request: pytest.FixtureRequest,
) -> None:
    """How the run and each step end, and what is made, are as the case says and as the local runner has it."""
    told = cases()[case]
    if runner != batch.LOCAL and (lacking := _lacking(runner, told)):
        record_property(PROPERTY, f"{case} {runner} lacks")
        opened = build.open_spec(told.write(shared_folder / "lacks" / case))
        findings = list(backends.load(runner).lacks(build.compiled(opened)))
        assert findings, f"{runner} lacks {', '.join(lacking)}, and says nothing of it on a spec that needs it"
        return
    record_property(PROPERTY, f"{case} {runner} runs")
    selected = _selected(request.session)
    found = _ran(runner, interpreters.get(runner, sys.executable), shared_folder, selected[runner])[case]
    reference = _ran(batch.LOCAL, sys.executable, shared_folder, selected[batch.LOCAL])[case]
    for index, expected in enumerate(told.runs):
        assert not found[index].fault, found[index].fault
        wrong = [*_differences(expected, found[index]), *_departures(reference[index], found[index])]
        assert not wrong, "\n".join([f"run {index + 1} of {case} on {runner}:", *wrong, found[index].log])


def _lacking(runner: str, case: Case) -> list[str]:
    chosen = backends.load(runner)
    return [notion for notion in case.needs if notion not in chosen.REALISES]


def _selected(session: pytest.Session) -> dict[str, tuple[str, ...]]:
    """The cases of this test run, by runner; the local runner runs those of all."""
    found: dict[str, set[str]] = {batch.LOCAL: set()}
    for item in session.items:
        told = getattr(item, "callspec", None)
        if told is not None and {"runner", "case"} <= told.params.keys():
            for runner in (told.params["runner"], batch.LOCAL):
                found.setdefault(runner, set()).add(told.params["case"])
    return {runner: tuple(sorted(names)) for runner, names in found.items()}


@cache
def _ran(runner: str, python: str, folder: Path, names: tuple[str, ...]) -> Mapping[str, list[batch.Ran]]:
    wanted = [cases()[name] for name in names if runner == batch.LOCAL or not _lacking(runner, cases()[name])]
    return batch.ran(runner, wanted, folder, python)


def _differences(expected: Expected, found: batch.Ran) -> Iterator[str]:
    if found.state != expected.state:
        yield f"the run {found.state or 'did not say how it ended'}, it should have {expected.state}"
    if found.code != (0 if expected.state == "succeeded" else 1):
        yield f"run.py ended with exit code {found.code}"
    for step, state in expected.steps.items():
        if found.steps.get(step) != state:
            yield f"{step} is {found.steps.get(step)}, it should be {state}"
    for name, wanted in expected.outputs.items():
        text = found.texts.get(name)
        told = json.loads(text) if isinstance(wanted, Mapping) and isinstance(text, str) else text
        if told != wanted or json.dumps(told, sort_keys=True) != json.dumps(wanted, sort_keys=True):  # 1 == 1.0 == True
            yield f"{name} holds {str(text)[:300]!r}, it should hold {str(wanted)[:300]!r}"
    for name, count in expected.tries.items():
        if found.tries.get(name) != count:
            yield f"{name} was tried {found.tries.get(name)} times, it should be {count}"
    yield from _messages("told", list(expected.told), list(found.told))
    yield from _messages("posted", list(expected.posted), [_of(one, expected.posted) for one in found.posted])


def _messages(what: str, wanted: list[Any], found: list[Any]) -> Iterator[str]:
    if wanted != found:
        yield f"{what}: {found}, it should be {wanted}"


def _of(message: Mapping[str, Any], wanted: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """The parts of a message that a case looks at."""
    parts = {part for one in wanted for part in one}
    return {part: message.get(part) for part in sorted(parts)} if parts else dict(message)


def _departures(reference: batch.Ran, found: batch.Ran) -> Iterator[str]:
    """What is not as the local runner has it: a step's end, or a byte of what it made."""
    if reference.steps != found.steps:
        wrong = sorted(step for step in {*reference.steps, *found.steps} if reference.steps.get(step) != found.steps.get(step))
        yield "; ".join(f"{step} is {found.steps.get(step)}, on the local runner {reference.steps.get(step)}" for step in wrong)
    if reference.digests != found.digests:
        names = {*reference.digests, *found.digests}
        wrong = sorted(name for name in names if reference.digests.get(name) != found.digests.get(name))
        yield f"not equal to what the local runner made: {', '.join(wrong)}"


# -- what is emitted


def test_emission_is_pure(backend: str, tmp_path: Path) -> None:
    """The same bytes in another process with another hash seed, elsewhere, with the orchestrator not there."""
    names = ["diamond", "hostile", "told_of_failure", "approval_given", "secret_of_store", "classification"]
    digests = set()
    for seed in ("1", "2"):
        place = tmp_path / seed
        specs = [str(cases()[name].write(place / name)) for name in names]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC-{seed}", "USER": f"u{seed}"}
        command = [sys.executable, "-c", EMITS, backend, *specs]
        ended = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        digests.add(ended.stdout)
    assert len(digests) == 1, f"two emissions differ: {digests}"


EMITS = """
import sys
from pathlib import Path
from mlspec import backend, build

chosen = backend.load(sys.argv[1])
for name in chosen.REQUIRES:
    assert name not in sys.modules, f"{name} was imported by the backend"
    sys.modules[name] = None  # importing it fails from here on
for path in sys.argv[2:]:
    print(chosen.emit(build.compiled(build.open_spec(Path(path)))).digest)
"""


def test_each_notion_is_realised_or_lacking(backend: str) -> None:
    """Each notion has a sentence in REALISES, or in LACKS, or in both; no other has."""
    chosen = backends.load(backend)
    told = {**chosen.REALISES, **chosen.LACKS}
    assert not [notion for notion in backends.NOTIONS if notion not in told], "these notions are in neither table"
    assert not [notion for notion in told if notion not in backends.NOTIONS], "these are no notions"
    assert all(text.strip() for table in (chosen.REALISES, chosen.LACKS) for text in table.values())
    assert backend == chosen.NAME
    assert chosen.TITLE.strip()


def test_trace_names_every_step(backend: str, tmp_path: Path) -> None:
    """`trace.json` says of each step its op, where it comes from, what it needs and gives."""
    for name in ("told_of_failure", "classification_gated", "long_names"):
        pipeline = build.compiled(build.open_spec(cases()[name].write(tmp_path / name)))
        files = backends.load(backend).emit(pipeline).files
        assert "run.py" in files
        trace = json.loads(files["trace.json"])
        assert trace["backend"] == backend
        assert trace["order"] == [step.id for step in pipeline.steps]
        assert trace["exit"] == [step.id for step in pipeline.exit]
        for step in (*pipeline.steps, *pipeline.exit):
            told = trace["steps"][step.id]
            assert (told["op"], told["routes"], told["needs"]) == (step.op.name, step.asked_by, list(step.needs))
            assert told["outputs"] == [port.name for port in step.output_ports]
            assert told["places"] == traces.places(pipeline, step)
        assert any(told["places"] for told in trace["steps"].values())


HOSTILE = (
    '"); import os; os.abort() #',
    "'''); __import__('os').abort() #",
    '"""\n__import__("os").abort()\n"""',
    "{{ 7 * 7 }} {% for x in y %} {{$.inputs}}",
    "${HOME} $(id) `id` ; | && > <",
    "\u202e\ufeff\u2028 | a | b |\n# fmt: off\n- x: &y *y !!z",
    "back\\slash \\N{BULLET} \\x41 %s %(x)s {0}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(backend: str, text: str) -> None:
    """Text of a spec stays text wherever it lands: each Python file parses to the same shape, JSON and YAML can be read."""
    import ast

    import yaml

    plain, nasty = (_emitted(backend, one) for one in ("plain", text))
    if nasty is None or plain is None:
        return  # the backend refuses it, as a Problem
    for name, content in nasty.files.items():
        if name.startswith("src/"):
            continue
        if name.endswith(".py"):
            assert _shape(ast.parse(content)) == _shape(ast.parse(plain.files[name])), f"{name} says more than the text"
        elif name.endswith(".json"):
            json.loads(content)
        elif name.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(content))


def _emitted(backend: str, text: str) -> Bundle | None:
    route = ("steps", "a")
    made = (Port("out", Artifact.FILE),)
    shared: dict[str, Any] = {"stage": Stage.MODELING, "routes": (route,)}
    first = Step(
        id="a", op=ops.PYTHON, gives=made, retries=1, environment={"GREETING": text}, **shared,
        secrets={"DSN": Secret("secret", "orders", "dsn")},
        params={"entrypoint": "work:make", "inputs": [], "outputs": ["out"], "params": {"text": text, "key": {text: text}}},
    )  # fmt: skip
    ask = {"step": "ok", "message": text, "approvers": [text], "inputs": ["it"], "seconds": 60.0, "approvals_root": "approvals"}
    second = Step(
        id="ok", op=ops.APPROVE, takes=made, gives=(Port("report", Artifact.REPORT),), inputs={"out": Ref("a", "out")},
        params=ask, bindings={"approvals_root": "approvals_root"}, **shared,
    )  # fmt: skip
    tell = {
        "channels": [{"kind": "custom", "entrypoint": "work:alert", "params": {"x": text}, "severity": "info"}],
        "about": {"name": text},
    }
    try:
        pipeline = Pipeline(
            name="hostile", description=text, steps=(first, second), parameters=(Parameter("approvals_root", text, text),),
            exit=(Step(id="notify", op=ops.NOTIFY, params=tell, **shared),), about={"owner": text, "version": text},
            schedule=Schedule("0 3 * * 1", "Europe/Paris"), code={"work.py": "x = 1\n"},
        )  # fmt: skip
        return backends.load(backend).emit(pipeline)
    except Problem:
        return None


def _shape(tree: Any) -> str:
    """The kinds of a tree's nodes, without what constants hold."""
    import ast

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant(type(node.value).__name__)

    return ast.dump(Blank().visit(tree))
