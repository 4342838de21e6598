"""Runs a pipeline on this machine: what is stored is not run again, branches run side by side, a failure stops what needs it."""

from __future__ import annotations

import contextvars
import hashlib
import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlspec
from mlspec import __version__, runtime
from mlspec.diagnostic import Diagnostic, Finding, Problem
from mlspec.ir import Pipeline, Step
from mlspec.store import Record, Store

LIBRARIES = ("joblib", "numpy", "polars", "scikit-learn", "scipy")
"""Libraries whose version can change what a step of ours makes; a change of version runs the steps again."""

CALLING = ("entrypoint.py", "runtime/__init__.py", "runtime/python.py")
"""What stands between a step of the user's and the runner."""

MEANING = ("checks", "families", "runtime", "sources", "transforms")
SHARED = ("expression.py", "fields.py", "kinds.py", "metrics.py")
"""Where the code of every other step lies, and what it reads of the floors below; the report has templates, too."""

LOG = logging.getLogger("mlspec.run")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a step, told as it happens. `seconds` counts from the step's start."""

    step: str
    state: str  # started | retrying | succeeded | cached | failed | skipped
    detail: str = ""
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one step ended. `why` says why it ran, or what its failure was about."""

    state: str
    why: str = ""
    seconds: float = 0.0
    record: Record | None = None
    faults: tuple[Finding | Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, step by step, in the pipeline's order."""

    steps: Mapping[str, Ended]

    @property
    def succeeded(self) -> bool:
        return all(ended.state in ("succeeded", "cached") for ended in self.steps.values())

    @property
    def faults(self) -> tuple[Finding | Diagnostic, ...]:
        return tuple(fault for ended in self.steps.values() for fault in ended.faults)

    def ran(self) -> list[str]:
        return [name for name, ended in self.steps.items() if ended.state not in ("cached", "skipped")]


Listener = Callable[[Event], None]
Capture = Callable[[str], contextvars.Context]


class Run:
    """One run of a pipeline. Use `run`; the class holds what its steps share."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        arguments: Mapping[str, str],
        listen: Listener,
        force: Collection[str],
        capture: Capture,
    ) -> None:
        self.pipeline, self.store, self.arguments = pipeline, store, arguments
        self.listen, self.force, self.capture = listen, force, capture
        self.ended: dict[str, Ended] = {}

    def go(self, workers: int) -> Result:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="step")
        try:
            with self.store.workspace() as place:
                self._go(pool, place, workers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # who interrupts a run does not wait for its steps
            raise
        pool.shutdown()
        return Result({step.id: self.ended[step.id] for step in self.pipeline.steps})

    def _go(self, pool: ThreadPoolExecutor, place: Path, workers: int) -> None:
        waiting = list(self.pipeline.steps)
        running: dict[Future[Ended], Step] = {}
        while waiting or running:
            for step in [one for one in waiting if all(need in self.ended for need in one.needs)]:
                lacking = [need for need in step.needs if self.ended[need].state not in ("succeeded", "cached")]
                if lacking:
                    self._end(step, Ended("skipped", f"{', '.join(lacking)} did not succeed"))
                elif len(running) < workers:
                    running[pool.submit(self.capture(step.id).run, self._step, step, place)] = step
                else:
                    continue
                waiting.remove(step)
            if running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._end(running.pop(future), future.result())

    def _end(self, step: Step, ended: Ended) -> None:
        self.ended[step.id] = ended
        facts = ended.record.facts if ended.record else {}
        self.listen(Event(step.id, ended.state, ended.why, ended.seconds, facts))

    def _step(self, step: Step, place: Path) -> Ended:
        """Find the step's outputs in the store or make them; never raises for a fault of the user's."""
        started = time.perf_counter()
        try:
            inputs = {name: self._input(step, name) for name in step.inputs}
            params = dict(step.params) | {name: self.arguments[argument] for name, argument in step.bindings.items()}
            parts = self._parts(step, params)
            key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
            record = None if step.id in self.force else self.store.find(key)
            if record and _still_holds(
                step, inputs, params, {name: self.store.object(one) for name, one in record.outputs.items()}
            ):
                return Ended("cached", record=record)
            why = "asked for" if step.id in self.force else self._why(step, parts, found=record is not None)
            self.listen(Event(step.id, "started", why))
            LOG.info("%s starts: %s", step.id, why)
            record = self._make(step, inputs, params, parts, key, place)
        except Problem as problem:
            LOG.error("%s failed: %s", step.id, problem)
            return Ended("failed", str(problem), time.perf_counter() - started, faults=_routed(problem, step))
        except Exception as error:
            LOG.exception("%s crashed", step.id)
            return Ended("failed", str(error), time.perf_counter() - started, faults=(_bug(step, error),))
        return Ended("succeeded", why, time.perf_counter() - started, record)

    def _make(
        self, step: Step, inputs: Mapping[str, Path], params: Mapping[str, Any], parts: Mapping[str, Any], key: str, place: Path
    ) -> Record:
        for attempt in range(step.retries + 1):
            made = {port.name: place / f"{step.id}.{attempt}.{port.name}" for port in step.output_ports}
            try:
                facts = runtime.run(step.op.name, inputs=inputs, outputs=made, params=params, timeout=step.timeout)
            except Exception as error:
                if attempt == step.retries or not _worth_another_try(error):
                    raise
                pause = min(2.0**attempt, 60.0)
                self.listen(Event(step.id, "retrying", f"{error} (try {attempt + 2} of {step.retries + 1} in {pause:g} s)"))
                time.sleep(pause)
                continue
            record = self.store.keep(key, made, facts, parts)
            self.store.remember(self.pipeline.name, step.id, key)
            return record
        raise AssertionError("a step has at least one try")

    def _input(self, step: Step, name: str) -> Path:
        ref = step.inputs[name]
        record = self.ended[ref.step].record
        assert record is not None, ref
        return self.store.object(record.outputs[ref.output])

    def _parts(self, step: Step, params: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that decides what a step makes, by name; run-time arguments count by what lies behind them."""
        inputs = {}
        for name, ref in sorted(step.inputs.items()):
            record = self.ended[ref.step].record
            assert record is not None, ref
            inputs[name] = f"{ref.step}.{ref.output}:{record.outputs[ref.output]}"
        parts: dict[str, Any] = {
            "op": step.op.name,
            "params": {name: value for name, value in step.params.items() if name not in step.bindings},
            "inputs": inputs,
            "outputs": [port.name for port in step.output_ports],
            "mlspec": code_digest(own=step.op.name != "python"),
        }
        if step.op.name != "python":
            parts["libraries"] = libraries()
        if '"entrypoint"' in json.dumps(step.params):
            parts["code"] = _code_parts(self.pipeline)
        outside = getattr(import_module(f"mlspec.runtime.{step.op.name}"), "external", None)
        if outside is not None:
            parts["external"] = outside(params, self.store.file_digest)
        return parts

    def _why(self, step: Step, parts: Mapping[str, Any], *, found: bool) -> str:
        if found:
            return "what it made is no longer where it was put"
        before = self.store.previous(self.pipeline.name, step.id)
        if before is None:
            return "first run"
        changes = list(differences(before, parts))
        return (
            "; ".join(changes[:3]) + (f" and {len(changes) - 3} more" if len(changes) > 3 else "")
            or "its output is gone from the store"
        )


def run(
    pipeline: Pipeline,
    store: Store,
    arguments: Mapping[str, str],
    *,
    listen: Listener = lambda event: None,
    force: Collection[str] = (),
    workers: int | None = None,
    capture: Capture = lambda step: contextvars.copy_context(),
) -> Result:
    """Run a pipeline and return how each step ended. A failed step stops what needs it and nothing else.

    `arguments` gives each of the pipeline's parameters a value. `force` names steps to run again. `capture` gives the context
    in which a step runs (where its output and log lines go). `listen` hears of each event, from any thread.
    """
    chosen = {parameter.name: parameter.default for parameter in pipeline.parameters} | dict(arguments)
    return Run(pipeline, store, chosen, listen, force, capture).go(workers or max(2, os.cpu_count() or 1))


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Say what differs between two trees of plain data, leaf by leaf, in words for a person."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif before != now:
        first, _, rest = name.partition(".")
        if first == "inputs":
            yield f"input {rest} changed"
        elif first == "external":
            yield f"{rest or 'the data'} changed"
        elif first == "code":
            yield f"your code {rest} changed"
        elif first == "mlspec":
            yield "mlspec itself changed"
        elif first == "libraries":
            yield f"{rest} {before} -> {now}"
        else:
            yield f"{rest or name}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


@cache
def code_digest(*, own: bool = True) -> str:
    """The digest of the code that gives steps their meaning: an edited runtime must not be served old results.

    The meaning of a step of the user's (`own` is False) is his code, and the little of ours that calls it.
    """
    whole = hashlib.sha256(__version__.encode())
    top = Path(__file__).parent
    files = [file for folder in MEANING for file in sorted((top / folder).rglob("*.py"))] if own else []
    files += [top / file for file in (*CALLING, *(SHARED if own else ()))]
    files += sorted(file for place in mlspec.__path__ for file in Path(place, "templates", "report").glob("*")) if own else []
    for file in files:
        whole.update(file.name.encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()


@cache
def libraries() -> dict[str, str]:
    """The versions of the installed libraries that can change what a step makes."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _code_parts(pipeline: Pipeline) -> dict[str, str]:
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(pipeline.code.items())}


def _still_holds(step: Step, inputs: Mapping[str, Path], params: Mapping[str, Any], outputs: Mapping[str, Path]) -> bool:
    """Ask an op that changes the world outside the store (the registry) whether what it did is still there."""
    fresh = getattr(import_module(f"mlspec.runtime.{step.op.name}"), "fresh", None)
    return bool(fresh is None or fresh(inputs, outputs, params))


def _worth_another_try(error: Exception) -> bool:
    """A verdict does not change by asking again."""
    return type(error).__name__ != "GateFailed"


def _routed(problem: Problem, step: Step) -> tuple[Finding | Diagnostic, ...]:
    """Give findings that name no place the first route that asked for the step."""
    return tuple(
        Finding(fault.code, fault.message, step.routes[0], fault.severity, fault.help)
        if isinstance(fault, Finding) and not fault.route
        else fault
        for fault in problem.faults
    )


def _bug(step: Step, error: Exception) -> Finding:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        "step-crashed",
        f"step {step.id} crashed: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})",
        step.routes[0],
        help="the step's log has the whole traceback; if the fault is not in your data or code, please report it",
    )
