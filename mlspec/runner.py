"""Runs a pipeline on this machine: what is stored is not run again, branches run side by side, a failure stops what needs it."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlspec import ops, runtime
from mlspec.diagnostic import Diagnostic, Finding, Problem, Severity
from mlspec.entrypoint import imported
from mlspec.ir import Pipeline, Step
from mlspec.runtime import content, secret
from mlspec.store import Record, Store

LOG = logging.getLogger("mlspec.run")

TRAINING = (ops.TRAIN, ops.TRIAL, ops.CROSS_VALIDATE, ops.FOLD)
"""What fits models, and may keep states of it."""


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
    """How a run ended, step by step, in the pipeline's order; `exit` are the steps that ran at its end, which decide nothing."""

    steps: Mapping[str, Ended]
    exit: frozenset[str] = frozenset()

    @property
    def succeeded(self) -> bool:
        return all(ended.state in ("succeeded", "cached") for name, ended in self.steps.items() if name not in self.exit)

    @property
    def pending(self) -> tuple[str, ...]:
        """The steps that wait for a person, where nothing else has failed: a later run goes on from there."""
        failed = {name: ended for name, ended in self.steps.items() if ended.state == "failed" and name not in self.exit}
        waits = [name for name, ended in failed.items() if any(_code(fault) == "approval-pending" for fault in ended.faults)]
        return tuple(waits) if len(waits) == len(failed) else ()

    @property
    def faults(self) -> tuple[Finding | Diagnostic, ...]:
        return tuple(fault for ended in self.steps.values() for fault in ended.faults)

    def ran(self) -> list[str]:
        return [name for name, ended in self.steps.items() if ended.state not in ("cached", "skipped") and name not in self.exit]


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
        wait_approvals: bool,
    ) -> None:
        self.pipeline, self.store, self.arguments = pipeline, store, arguments
        self.listen, self.force, self.capture, self.wait_approvals = listen, force, capture, wait_approvals
        self.code = content.code_digests(pipeline.code)
        self.ended: dict[str, Ended] = {}

    def go(self, workers: int) -> Result:
        # Who waits for a person does no work: such a step takes none of the workers.
        waiting = sum(step.op is ops.APPROVE for step in self.pipeline.steps)
        pool = ThreadPoolExecutor(workers + waiting, thread_name_prefix="step")
        try:
            with self.store.workspace() as place:
                self._go(pool, place, workers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # who interrupts a run does not wait for its steps
            raise
        pool.shutdown()
        result = Result({step.id: self.ended[step.id] for step in self.pipeline.steps})
        return self._exit(result) if self.pipeline.exit else result

    def _go(self, pool: ThreadPoolExecutor, place: Path, workers: int) -> None:
        waiting = list(self.pipeline.steps)
        running: dict[Future[Ended], Step] = {}
        while waiting or running:
            for step in [one for one in waiting if all(need in self.ended for need in one.needs)]:
                lacking = [need for need in step.needs if self.ended[need].state not in ("succeeded", "cached")]
                if lacking:
                    self._end(step, Ended("skipped", f"{', '.join(lacking)} did not succeed"))
                elif step.op is ops.APPROVE or sum(one.op is not ops.APPROVE for one in running.values()) < workers:
                    running[pool.submit(self.capture(step.id).run, self._step, step, place)] = step
                else:
                    continue
                waiting.remove(step)
            if running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._end(running.pop(future), future.result())

    def _exit(self, result: Result) -> Result:
        """Run the steps of the end, one after the other, if it is one: no work, or waiting for a person, is no news."""
        failed = [name for name, ended in result.steps.items() if ended.state == "failed"]
        news = {"state": "succeeded" if result.succeeded else "failed", "failed": failed}
        idle = f"the run waits for {', '.join(result.pending)}" if result.pending else "" if result.ran() else "nothing ran"
        for step in self.pipeline.exit:
            context = self.capture(step.id)
            self._end(step, Ended("skipped", idle) if idle else context.run(self._exit_step, step, news))
        exits = {step.id: self.ended[step.id] for step in self.pipeline.exit}
        return Result({**result.steps, **exits}, frozenset(exits))

    def _exit_step(self, step: Step, news: Mapping[str, Any]) -> Ended:
        started = time.perf_counter()
        self.listen(Event(step.id, "started", f"the run has {news['state']}"))
        try:
            facts = self._tried(step, {}, {**self._params(step), **news}, lambda attempt: {})
        except Exception as error:
            ended = self._failed(step, error, started)
            return replace(ended, faults=tuple(_milder(fault) for fault in ended.faults))
        return Ended("succeeded", "", time.perf_counter() - started, Record("", {}, facts, {}))

    def _end(self, step: Step, ended: Ended) -> None:
        self.ended[step.id] = ended
        facts = ended.record.facts if ended.record else {}
        self.listen(Event(step.id, ended.state, ended.why, ended.seconds, facts))

    def _step(self, step: Step, place: Path) -> Ended:
        """Find the step's outputs in the store or make them; never raises for a fault of the user's."""
        started = time.perf_counter()
        try:
            inputs = {name: self._input(step, name) for name in step.inputs}
            params = self._params(step)
            parts = self._parts(step, params)
            record, why = self._found(step, inputs, params, parts)
            if record:
                return Ended("cached", record=record)
            self.listen(Event(step.id, "started", why))
            LOG.info("%s starts: %s", step.id, why)
            record = self._make(step, inputs, params, parts, place)
        except Exception as error:
            return self._failed(step, error, started)
        return Ended("succeeded", why, time.perf_counter() - started, record)

    def _failed(self, step: Step, error: Exception, started: float) -> Ended:
        if isinstance(error, Problem):
            LOG.error("%s failed: %s", step.id, error)
            faults = _routed(error, step)
        else:
            LOG.error("%s crashed", step.id, exc_info=error)
            faults = (_bug(step, error),)
        return Ended("failed", str(error), time.perf_counter() - started, faults=faults)

    def _params(self, step: Step) -> dict[str, Any]:
        return dict(step.params) | {name: self.arguments[argument] for name, argument in step.bindings.items()}

    def _found(
        self, step: Step, inputs: Mapping[str, Path], params: Mapping[str, Any], parts: Mapping[str, Any] | None
    ) -> tuple[Record | None, str]:
        """Return what is stored of a step, or why it has to run."""
        if step.id in self.force:
            return None, "asked for"
        if parts is None:
            return None, "it is asked anew each time" if step.op is ops.APPROVE else "what it makes cannot be known beforehand"
        record = self.store.find(content.key(parts))
        if record is None:
            return None, self._why(step, parts)
        if step.max_age is not None and time.time() - record.made > step.max_age:
            return None, f"what it made is older than {_span(step.max_age)}"
        if not _still_holds(step, inputs, params, {name: self.store.object(one) for name, one in record.outputs.items()}):
            return None, "what it made is no longer where it was put"
        return record, ""

    def _make(
        self,
        step: Step,
        inputs: Mapping[str, Path],
        params: Mapping[str, Any],
        parts: Mapping[str, Any] | None,
        place: Path,
    ) -> Record:
        made: dict[str, Path] = {}

        def fresh(attempt: int) -> dict[str, Path]:
            made.update({port.name: place / f"{step.id}.{attempt}.{port.name}" for port in step.output_ports})
            return made

        given = params if step.op is not ops.APPROVE else {**params, "wait": self.wait_approvals}
        if step.op in TRAINING and (params.get("training") or {}).get("checkpoint"):
            given = {**given, "checkpoints": str(self.store.root.resolve() / "checkpoints")}  # where another try finds them
        facts = self._tried(step, inputs, given, fresh)
        parts = parts or self._parts(step, params)  # a person has answered since
        if parts is None:
            return self.store.keep("", made, facts, {})
        key = content.key(parts)
        record = self.store.keep(key, made, facts, parts)
        self.store.remember(self.pipeline.name, step.id, key)
        return record

    def _tried(
        self, step: Step, inputs: Mapping[str, Path], params: Mapping[str, Any], places: Callable[[int], Mapping[str, Path]]
    ) -> dict[str, Any]:
        """Run a step's op, as often as its retries allow, with its variables."""
        # Who tells people looks for the secrets of each channel himself: one that is missing must not silence the others.
        environment = {} if step.op is ops.NOTIFY else secret.environment(step.environment, _references(step))
        for attempt in range(step.retries + 1):
            try:
                return runtime.run(
                    step.op.name,
                    inputs=inputs,
                    outputs=places(attempt),
                    params=params,
                    timeout=step.timeout,
                    environment=environment or None,
                    step=step.id,
                )
            except Exception as error:
                if attempt == step.retries or not runtime.worth_another_try(error):
                    raise
                pause = min(2.0**attempt, 60.0)
                said = next(iter(str(error).splitlines()), type(error).__name__)
                self.listen(Event(step.id, "retrying", f"{said} (try {attempt + 2} of {step.retries + 1} in {pause:g} s)"))
                time.sleep(pause)
        raise AssertionError("a step has at least one try")

    def _input(self, step: Step, name: str) -> Path:
        return self.store.object(self._input_digest(step, name))

    def _input_digest(self, step: Step, name: str) -> str:
        ref = step.inputs[name]
        record = self.ended[ref.step].record
        assert record is not None, ref
        return record.outputs[ref.output]

    def _parts(self, step: Step, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Everything that decides what a step makes, by name; run-time arguments count by what lies behind them."""
        return content.parts(
            step.op.name,
            params,
            bound=step.bindings,
            inputs={name: self._input_digest(step, name) for name in step.inputs},
            outputs=[port.name for port in step.output_ports],
            code=self.code,
            file_digest=self.store.file_digest,
            environment=step.environment,
            secrets=_references(step),
        )

    def _why(self, step: Step, parts: Mapping[str, Any]) -> str:
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
    wait_approvals: bool = False,
) -> Result:
    """Run a pipeline and return how each step ended. A failed step stops what needs it and nothing else.

    `arguments` gives each of the pipeline's parameters a value. `force` names steps to run again. `capture` gives the context
    in which a step runs (where its output and log lines go). `listen` hears of each event, from any thread. A step that needs a
    person's yes waits for it with `wait_approvals` (at most the time that it has); without it such a step fails at once,
    "approval-pending", and a later run goes on from there. Steps of the exit run last, where any other step ran; a run that is
    interrupted has not ended, so that nobody is told of it.
    """
    chosen = {parameter.name: parameter.default for parameter in pipeline.parameters} | dict(arguments)
    return Run(pipeline, store, chosen, listen, force, capture, wait_approvals).go(workers or max(2, os.cpu_count() or 1))


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
        elif first in ("environment", "secrets"):
            yield f"the variable {rest} changed" if rest else "its variables changed"
        elif first == "libraries":
            yield f"{rest} {before} -> {now}"
        else:
            yield f"{rest or name}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _still_holds(step: Step, inputs: Mapping[str, Path], params: Mapping[str, Any], outputs: Mapping[str, Path]) -> bool:
    """Ask an op that changes the world outside the store (the registry) whether what it did is still there."""
    fresh = getattr(imported(f"mlspec.runtime.{step.op.name}"), "fresh", None)
    return bool(fresh is None or fresh(inputs, outputs, params))


def _references(step: Step) -> dict[str, tuple[str, str, str]]:
    return {variable: (one.store, one.name, one.key) for variable, one in step.secrets.items()}


def _code(fault: Finding | Diagnostic) -> str:
    return (fault if isinstance(fault, Finding) else fault.finding).code


def _milder(fault: Finding | Diagnostic) -> Finding | Diagnostic:
    """A fault at the exit does not fail the run."""
    return replace(fault, severity=Severity.WARNING) if isinstance(fault, Finding) else fault


def _span(seconds: float) -> str:
    """Write a time as people do: 36 h, 90 s."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _routed(problem: Problem, step: Step) -> tuple[Finding | Diagnostic, ...]:
    """Give findings that name no place the first route that asked for the step, and say which of a family's steps it was."""
    label = f"{step.label}: " if step.label else ""
    return tuple(
        replace(fault, message=f"{label}{fault.message}", route=fault.route or step.routes[0])
        if isinstance(fault, Finding)
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
