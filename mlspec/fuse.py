"""Several steps as one: a pipeline whose steps are those of an orchestrator that is to see stages, or one step, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlspec import ops
from mlspec.ir import Artifact, Pipeline, Port, Ref, Resources, Stage, Step

ALONE = (ops.CONTAINER, ops.APPROVE)
"""What an orchestrator does by its own means: these stay steps of their own."""

ORDER = list(Stage)


def fused(pipeline: Pipeline, granularity: str) -> Pipeline:
    """Return a pipeline that makes the same with fewer steps; "step" returns it unchanged.

    "stage" makes one step of the steps of a stage (`Stage`), "single" one of all. A group has the outputs `files` and `outcome`
    (`mlspec.runtime.group`) and those that steps outside it take. Where one of its steps is a gate, a step of op GATE, subject
    "group", stands behind it and fails where that gate did. Containers and approvals stay alone, and so do steps that give a
    variable another secret, or ask for another sort of machine, than an earlier step; what comes after is a further group, as
    two groups must not wait for each other. A group of one step is that step.
    """
    if granularity == "step":
        return pipeline
    members = _groups(pipeline, single=granularity == "single")
    taken = {step.id for step in (*pipeline.steps, *pipeline.exit)}
    named: dict[str, list[Step]] = {}
    counts: Counter[str] = Counter()
    for (stage, _, _), steps in members.items():
        what = "pipeline" if granularity == "single" else ORDER[stage].value
        counts[what] += 1
        named[_name(what, counts[what], taken)] = steps
    if not named:
        return pipeline
    fuser = _Fuser(pipeline, named)
    return replace(pipeline, steps=tuple(fuser.steps()))


def _groups(pipeline: Pipeline, *, single: bool) -> dict[tuple[int, int, tuple[int, ...]], list[Step]]:
    """Part the steps that may be fused by stage, by level, and by the steps of their own that come before them.

    None of these ever sinks along an edge, so groups cannot wait for each other, and what lies between two steps of a group is in
    it: a step that stays alone lifts all that comes after it to the next level. Steps that wait for other steps of their own are
    no group: where one of those is not done, the others still run. What would be a group of one is a step of its own, too.
    """
    alone = _alone(pipeline)
    while True:
        groups = _parted(pipeline, alone, single=single)
        lonely = {steps[0].id for steps in groups.values() if len(steps) == 1}
        if not lonely:
            return groups
        alone |= lonely


def _parted(pipeline: Pipeline, alone: Collection[str], *, single: bool) -> dict[tuple[int, int, tuple[int, ...]], list[Step]]:
    place = {step.id: index for index, step in enumerate(pipeline.steps)}
    stages: dict[str, int] = {}
    levels: dict[str, int] = {}
    before: dict[str, frozenset[str]] = {}
    groups: dict[tuple[int, int, tuple[int, ...]], list[Step]] = {}
    for step in pipeline.steps:
        own = 0 if single else ORDER.index(step.stage)
        stages[step.id] = max([own, *(stages[need] for need in step.needs)])
        levels[step.id] = max([0, *(levels[need] + (need in alone) for need in step.needs)])
        before[step.id] = frozenset(need for need in step.needs if need in alone)
        before[step.id] = before[step.id].union(*(before[need] for need in step.needs))
        if step.id not in alone:
            waited = tuple(sorted(place[one] for one in before[step.id]))
            groups.setdefault((stages[step.id], levels[step.id], waited), []).append(step)
    # what a group takes from was waited for by it, too: it waits for more than those
    return dict(sorted(groups.items(), key=lambda one: (one[0][:2], len(one[0][2]), one[0][2])))


def _alone(pipeline: Pipeline) -> set[str]:
    """The steps that stay steps of their own: by what they are, or as no one process and machine suits them and the others."""
    found: set[str] = set()
    known: dict[tuple[str, str], object] = {}
    for step in pipeline.steps:
        claims = dict(_claims(step))
        if step.op in ALONE or any(known.get(name, one) != one for name, one in claims.items()):
            found.add(step.id)
        else:
            known.update(claims)
    return found


def _claims(step: Step) -> Iterator[tuple[tuple[str, str], object]]:
    """Yield what a step wants one of for itself: the secret of a variable, a kind of accelerator, the value of a node's label."""
    for variable, secret in step.secrets.items():
        yield ("secret", variable), secret
    if step.resources.accelerator is not None:
        yield ("accelerator", ""), step.resources.accelerator
    for label, value in step.resources.node:
        yield ("node", label), value


def _name(what: str, number: int, taken: set[str]) -> str:
    """Return an id that no step has, and whose gate's name no step has; `number` counts from 1."""
    name = f"{what}_steps" if number == 1 else f"{what}_steps_{number}"
    while name in taken or gate_of(name) in taken:
        name += "_"
    taken.update((name, gate_of(name)))
    return name


def gate_of(group: str) -> str:
    """Return the id of the gate behind a group."""
    return f"{group}_gate"


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a step or group waits for: the gates of groups, and the groups that tell it which of their steps were not done."""

    gates: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()


class _Fuser:
    """Makes group steps, and lets what stays alone take from them."""

    def __init__(self, pipeline: Pipeline, groups: Mapping[str, Sequence[Step]]) -> None:
        self.pipeline, self.groups = pipeline, groups
        self.home = {step.id: name for name, steps in groups.items() for step in steps}
        self.defaults = {parameter.name: parameter.default for parameter in pipeline.parameters}
        self.ports = self._ports()
        self.gates = {name: frozenset(step.id for step in steps if step.op is ops.GATE) for name, steps in groups.items()}
        self.above = _gates_above(pipeline)
        self.soft: dict[str, frozenset[str]] = {}  # group -> the gates that may have failed when it ends well
        self.waits: dict[str, _Wait] = {}
        for name, steps in groups.items():
            self.waits[name] = self._wait_of(steps)
            self.soft[name] = self.gates[name].union(*(self.soft[one] for one in self.waits[name].outcomes))

    def steps(self) -> Iterator[Step]:
        for step in self.pipeline.steps:
            if step.id not in self.home:
                yield self._rewired(step)
        for name, steps in self.groups.items():
            yield self._group(name, steps)
            if self.gates[name]:
                yield Step(
                    id=gate_of(name),
                    op=ops.GATE,
                    stage=steps[-1].stage,
                    routes=_routes([step for step in steps if step.op is ops.GATE]),
                    inputs={"decision": Ref(name, "outcome")},
                    params={"subject": "group"},
                )

    def _ports(self) -> dict[Ref, str]:
        """Name each output that crosses the border of a group, in either direction, as the ports of groups do."""
        names: dict[Ref, str] = {}
        taken = {"files", "outcome", *(f"{name}_outcome" for name in self.groups)}
        for step in self.pipeline.steps:
            for ref in step.inputs.values():
                if ref not in names and (self.home.get(step.id) or step.id) != (self.home.get(ref.step) or ref.step):
                    name = f"{ref.step}_{ref.output}"
                    while name in taken:
                        name += "_"
                    names[ref] = name
                    taken.add(name)
        return names

    def _undone(self, need: str) -> frozenset[str]:
        """The gates whose failure leaves a step of a group undone though the group ends well."""
        home = self.home.get(need)
        return self.above[need] & self.soft[home] if home else frozenset()

    def _wait_of(self, steps: Sequence[Step]) -> _Wait:
        """How a group learns what others left undone: where each of its steps needs every gate there, it waits for those; where
        some could go on, it starts, and skips the others by what the outcomes say.
        """
        own = {step.id for step in steps}
        needs = sorted({need for step in steps for need in step.needs if need not in own and self._undone(need)})
        gates, outcomes = set(), set()
        for need in needs:
            home = self.home[need]
            if self.soft[home] == self.gates[home] and all(self.gates[home] <= self.above[step.id] for step in steps):
                gates.add(gate_of(home))
            else:
                outcomes.add(home)
        return _Wait(frozenset(gates), frozenset(outcomes))

    def _group(self, name: str, steps: Sequence[Step]) -> Step:
        own, wait = {step.id for step in steps}, self.waits[name]
        outside = {self.ports[ref]: ref for step in steps for ref in step.inputs.values() if ref.step not in own}
        given = [ref for ref in self.ports if ref.step in own]
        told = {f"{one}_outcome": Ref(one, "outcome") for one in sorted(wait.outcomes)}
        bindings = {parameter: parameter for step in steps for parameter in step.bindings.values()}
        after = {self.home.get(need, need) for step in steps for need in step.after if need not in own}
        return Step(
            id=name,
            op=ops.GROUP,
            stage=steps[-1].stage,
            routes=_routes(steps),
            inputs={port: self._source(ref) for port, ref in outside.items()} | told,
            params={
                "steps": [self._inner(step, own, wait) for step in steps],
                "gives": {self.ports[ref]: {"step": ref.step, "output": ref.output} for ref in given},
                **{parameter: self.defaults[parameter] for parameter in bindings},
            },
            bindings=dict(sorted(bindings.items())),
            after=tuple(sorted(after | wait.gates)),
            max_age=min((step.max_age for step in steps if step.max_age is not None), default=None),
            resources=_largest([step.resources for step in steps]),
            secrets={variable: secret for step in steps for variable, secret in sorted(step.secrets.items())},
            takes=(
                *(Port(port, self._artifact(ref)) for port, ref in outside.items()),
                *(Port(port, Artifact.REPORT) for port in told),
            ),
            gives=(
                Port("files", Artifact.PACKAGE),
                Port("outcome", Artifact.REPORT),
                *(Port(self.ports[ref], self._artifact(ref)) for ref in given),
            ),
        )

    def _inner(self, step: Step, own: Collection[str], wait: _Wait) -> dict[str, Any]:
        def source(ref: Ref) -> dict[str, str]:
            return {"step": ref.step, "output": ref.output} if ref.step in own else {"group": self.ports[ref]}

        elsewhere = [(self.home.get(need), need) for need in step.needs if need not in own]
        return {
            "id": step.id,
            "op": step.op.name,
            "inputs": {port: source(ref) for port, ref in step.inputs.items()},
            "outputs": [port.name for port in step.output_ports],
            "params": dict(step.params),
            "bindings": dict(step.bindings),
            "after": [need for need in step.after if need in own],
            "elsewhere": [{"outcome": f"{home}_outcome", "step": need} for home, need in elsewhere if home in wait.outcomes],
            "retries": step.retries,
            "timeout": step.timeout,
            "environment": dict(step.environment),
            "route": list(step.routes[0]),
            "label": step.label,
        }

    def _rewired(self, step: Step) -> Step:
        """What stays alone cannot be done in part: it waits for every gate that could have left undone what it needs."""
        gates = {gate_of(self.home[gate]) for need in step.needs for gate in self._undone(need)}
        after = {self.home.get(need, need) for need in step.after} | gates
        return replace(step, inputs={port: self._source(ref) for port, ref in step.inputs.items()}, after=tuple(sorted(after)))

    def _source(self, ref: Ref) -> Ref:
        return Ref(self.home[ref.step], self.ports[ref]) if ref.step in self.home else ref

    def _artifact(self, ref: Ref) -> Artifact:
        return self.pipeline[ref.step].output(ref.output).artifact


def _gates_above(pipeline: Pipeline) -> dict[str, frozenset[str]]:
    """Return for each step the gates without which it is not done, itself among them where it is one."""
    found: dict[str, frozenset[str]] = {}
    for step in pipeline.steps:
        own = frozenset({step.id} if step.op is ops.GATE else ())
        found[step.id] = own.union(*(found[need] for need in step.needs))
    return found


def _routes(steps: Sequence[Step]) -> tuple[tuple[str | int, ...], ...]:
    return tuple(dict.fromkeys(route for step in steps for route in step.routes))


def _largest(asked: Sequence[Resources]) -> Resources:
    """A machine on which each of several steps can run. It may be taken away only where each of them allows it."""
    cpu = max((one.cpu for one in asked if one.cpu is not None), default=None)
    memory = max((one.memory for one in asked if one.memory is not None), default=None)
    accelerated = [one for one in asked if one.accelerator is not None]
    node: dict[str, str] = {}
    for one in asked:
        node |= dict(one.node)
    return Resources(
        cpu,
        memory,
        accelerated[0].accelerator if accelerated else None,
        max((one.accelerators for one in accelerated), default=1),
        all(one.spot for one in asked if one != Resources()) and any(one.spot for one in asked),
        tuple(sorted(node.items())),
    )
