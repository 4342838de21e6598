"""Checks that look at more than one place of a spec. Each names the sections it reads: none of them may be broken."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mlspec import metrics
from mlspec.diagnostic import Finding, Route, Severity

if TYPE_CHECKING:
    from mlspec.spec.project import Project

Check = Callable[["Project"], Iterator[Finding]]
CHECKS: list[tuple[frozenset[str], Check]] = []


def reads(*sections: str) -> Callable[[Check], Check]:
    """Enter a check, made when none of the sections it reads is broken."""

    def enter(check: Check) -> Check:
        CHECKS.append((frozenset(sections), check))
        return check

    return enter


def contradictions(project: Project, broken: frozenset[str]) -> Iterator[Finding]:
    """Yield what does not fit together in a project whose sections are each well-formed, `broken` ones aside."""
    for sections, check in CHECKS:
        if not sections & broken:
            yield from check(project)


def _close(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    known = list(words)
    alike = [one for one in known if one.lower() == word.lower()]
    return next(iter(alike or difflib.get_close_matches(word, known, n=1, cutoff=cutoff)), None)


def _unknown(what: str, word: str, known: Iterable[str], route: Route, code: str) -> Finding:
    known = sorted(known)
    close = _close(word, known)
    there = f"there are {', '.join(known)}" if known else f"there is no {what}"
    return Finding(code, f"there is no {what} `{word}`", route, help=f"did you mean `{close}`? " * bool(close) + there)


@reads("task", "data", "model", "steps")
def complete(project: Project) -> Iterator[Finding]:
    """A spec trains a model, or has steps of its own, or both."""
    sections = {"task": project.task, "data": project.data, "model": project.model}
    lacking = [name for name, section in sections.items() if section is None]
    if lacking and not (project.steps and len(lacking) == len(sections)):
        for name in lacking:
            help_text = str(type(project).model_fields[name].description)
            yield Finding("missing-key", f"`{name}` is missing", (), help=help_text, on="key")


@reads("task")
def task_keys(project: Project) -> Iterator[Finding]:
    """A task has the keys that its kind needs."""
    task = project.task
    if task is None:
        return
    if task.target is None and task.kind in ("classification", "regression", "forecasting"):
        yield Finding("missing-key", "`target` is missing", ("task",), help="name the column that is predicted", on="key")
    if task.positive is not None and task.kind != "classification":
        yield Finding(
            "contradiction", f"a {task.kind} has no positive label", ("task", "positive"), help="leave it out", on="key"
        )


@reads("data")
def sources_combined(project: Project) -> Iterator[Finding]:
    """Several sources are joined or stacked, not both, and a join names sources that are there."""
    data = project.data
    if data is None:
        return
    if data.join and data.union is not None:
        yield Finding(
            "contradiction", "`join` and `union` cannot both be", ("data", "union"), help="keep one of the two", on="key"
        )
    elif len(data.sources) > 1 and not data.join and data.union is None:
        names = ", ".join(data.sources)
        help_text = "add `join` to put them side by side, or `union` to stack them"
        yield Finding(
            "sources-not-combined", f"nothing says how {names} become one table", ("data", "sources"), help=help_text, on="key"
        )
    for index, join in enumerate(data.join):
        for side in ("left", "right"):
            if getattr(join, side) not in data.sources:
                yield _unknown("source", getattr(join, side), data.sources, ("data", "join", index, side), "unknown-source")
    used = {name for join in data.join for name in (join.left, join.right)}
    for name in sorted(data.sources.keys() - used) if data.join and used <= data.sources.keys() else ():
        yield Finding(
            "unused-source", f"no join uses `{name}`", ("data", "sources", name), help="join it, or remove it", on="key"
        )


@reads("data")
def one_role(project: Project) -> Iterator[Finding]:
    """At most one column is the target, the group or the time."""
    if project.data is None:
        return
    for role in ("target", "time", "group"):
        names = [name for name, column in project.data.columns.items() if column.role == role]
        for name in names[1:]:
            yield Finding(
                "contradiction",
                f"`{names[0]}` has the role `{role}`, too",
                ("data", "columns", name, "role"),
                help="only one column can have it",
            )


@reads("data", "task")
def target_column(project: Project) -> Iterator[Finding]:
    """What is declared of the target's column fits the task."""
    task = project.task
    if project.data is None or task is None or task.target is None:
        return
    column = project.data.columns.get(task.target)
    for name, other in project.data.columns.items():
        if other.role == "target" and name != task.target:
            help_text = f"write `task.target: {name}`, or give `{name}` another role"
            yield Finding("contradiction", f"`task.target` is `{task.target}`", ("data", "columns", name, "role"), help=help_text)
    if column is None:
        return
    route: Route = ("data", "columns", task.target)
    if column.role not in ("feature", "target"):
        yield Finding(
            "contradiction",
            f"the target has the role `{column.role}`",
            (*route, "role"),
            help="leave `role` out, or write `target`",
        )
    if task.kind == "regression" and column.type in ("string", "category", "boolean"):
        message = f"a regression predicts numbers; `{task.target}` is declared as {column.type}"
        yield Finding("contradiction", message, (*route, "type"), help="write `task.kind: classification`, or another target")
    if task.positive is not None and column.values is not None and str(task.positive) not in {str(one) for one in column.values}:
        yield _unknown(
            f"value of `{task.target}`", str(task.positive), map(str, column.values), ("task", "positive"), "unknown-label"
        )


@reads("model", "baseline", "task")
def families(project: Project) -> Iterator[Finding]:
    """A family fits the task, and its parameters fit each other."""
    if project.task is None or project.task.kind not in ("classification", "regression"):
        return
    for name in ("model", "baseline"):
        family = getattr(project, name)
        if family is not None and hasattr(family, "findings"):
            yield from family.findings(project.task.kind, (name,))


@reads("requirements", "task", "evaluation")
def metric_targets(project: Project) -> Iterator[Finding]:
    """A target names a metric of the task, in its range and in its unit."""
    primary = [index for index, one in enumerate(project.requirements.metrics) if one.primary]
    for index in primary[1:]:
        route: Route = ("requirements", "metrics", index, "primary")
        yield Finding(
            "contradiction", "there is another primary metric", route, help="models are compared by one: keep one `primary: true`"
        )
    for index, wanted in enumerate(project.requirements.metrics):
        route = ("requirements", "metrics", index)
        if wanted.target.unit not in (None, "fraction"):
            yield Finding(
                "unknown-unit",
                "a metric is a plain number or a share",
                (*route, "target"),
                help='write it like ">= 0.84" or ">= 84 %"',
            )
        if wanted.metric not in project.evaluation.metrics:
            yield from _metric(project, wanted.metric, (*route, "metric"))
            known = metrics.CATALOGUE.get(wanted.metric)
            if known and not known.low <= wanted.target.value <= known.high:
                meant = (
                    f'write "{wanted.target.op} {wanted.target.value:g} %"; '
                    if known.high == 1 < wanted.target.value <= 100
                    else ""
                )
                help_text = f"{meant}{wanted.metric} lies between {known.low:g} and {known.high:g}"
                yield Finding(
                    "out-of-range", f"{wanted.metric} never is {wanted.target.value:g}", (*route, "target"), help=help_text
                )
        names = [one.name for one in project.requirements.business]
        if wanted.supports is not None and wanted.supports not in names:
            yield _unknown("business target", wanted.supports, names, (*route, "supports"), "unknown-business-target")


def _metric(project: Project, name: str, route: Route) -> Iterator[Finding]:
    """Yield what is wrong with a metric that is none of the user's own."""
    task = project.task.kind if project.task else None
    known = metrics.CATALOGUE.get(name)
    fitting = [one.name for one in metrics.CATALOGUE.values() if task in one.tasks and one.realised]
    own = list(project.evaluation.metrics)
    if known is None:
        meant = metrics.meant(name) or _close(metrics.normal(name), [*fitting, *own, *metrics.CATALOGUE])
        help_text = f"did you mean `{meant}`? " if meant else ""
        listed = f"for {task}: {', '.join([*fitting, *own])}; your own are declared in `evaluation.metrics`"
        yield Finding("unknown-metric", f"there is no metric `{name}`", route, help=help_text + listed)
    elif task is not None and task not in known.tasks:
        yield Finding(
            "metric-of-another-task",
            f"{name} is for {' and '.join(known.tasks)}, not for {task}",
            route,
            help=f"one of {', '.join(fitting)}",
        )
    elif not known.realised:
        help_text = "today: a run stops, because nothing computes it; declare one of your own in `evaluation.metrics`"
        yield Finding("not-realised-yet", f"nothing computes `{name}` yet", route, Severity.WARNING, help=help_text)


@reads("evaluation", "task")
def own_metrics(project: Project) -> Iterator[Finding]:
    """A metric of the user's own does not take a known name: reports would mean two things by it."""
    for name in project.evaluation.metrics:
        if name in metrics.CATALOGUE:
            route: Route = ("evaluation", "metrics", name)
            yield Finding("contradiction", f"`{name}` is a metric of the catalogue", route, help="choose another name", on="key")


@reads("evaluation", "requirements")
def explained(project: Project) -> Iterator[Finding]:
    """Where people must be able to follow a decision, the run says which columns matter."""
    if project.requirements.interpretability == "required" and project.evaluation.explain == "none":
        message = "`requirements.interpretability` is `required`"
        yield Finding("contradiction", message, ("evaluation", "explain"), help="write `permutation`")


@reads("evaluation", "task")
def for_classification(project: Project) -> Iterator[Finding]:
    """Groups are compared by rates of classes, and a threshold divides classes."""
    if project.task is None or project.task.kind == "classification":
        return
    for name, unset in (("fairness", None), ("threshold", 0.5)):
        if getattr(project.evaluation, name) != unset:
            yield Finding(
                "contradiction",
                f"`{name}` is for classification, not for {project.task.kind}",
                ("evaluation", name),
                help="leave it out",
                on="key",
            )


@reads("splits", "data", "task")
def split_keys(project: Project) -> Iterator[Finding]:
    """A strategy has the keys it needs and none that it ignores."""
    splits, columns = project.splits, project.data.columns if project.data else {}
    roles = {column.role for column in columns.values()}
    if splits.strategy == "group" and splits.group_by is None and "group" not in roles:
        yield Finding(
            "missing-key", "`group_by` is missing", ("splits",), help="name the column whose equal values stay together", on="key"
        )
    if splits.strategy == "temporal" and splits.time is None and "time" not in roles:
        yield Finding("missing-key", "`time` is missing", ("splits",), help="name the column that orders rows", on="key")
    if splits.group_by is not None and splits.strategy in ("random", "stratified"):
        message = f"the strategy `{splits.strategy}` does not keep groups together"
        yield Finding("contradiction", message, ("splits", "group_by"), help="write `strategy: group`", on="key")
    if splits.time is not None and splits.strategy in ("random", "stratified", "group"):
        yield Finding(
            "contradiction",
            f"the strategy `{splits.strategy}` does not look at time",
            ("splits", "time"),
            help="write `strategy: temporal`",
            on="key",
        )
    temporal = splits.strategy == "temporal" or (splits.strategy == "auto" and (splits.time is not None or "time" in roles))
    if splits.gap > 0 and not temporal:
        yield Finding(
            "contradiction",
            "only a temporal split has a gap",
            ("splits", "gap"),
            help="write `strategy: temporal` and `time`",
            on="key",
        )
    if splits.strategy == "stratified" and project.task is not None and project.task.kind != "classification":
        yield Finding(
            "contradiction", f"a {project.task.kind} has no classes to stratify by", ("splits", "strategy"), help="write `random`"
        )


@reads("data", "splits", "evaluation", "task")
def near_misses(project: Project) -> Iterator[Finding]:
    """A column that is named somewhere and is all but one that is declared: not every column must be, so this is a warning."""
    if project.data is None or not project.data.columns:
        return
    declared = project.data.columns
    stacked = {project.data.union.source_column} if project.data.union else set()
    named: list[tuple[Route, str | None]] = [
        (("task", "target"), project.task.target if project.task else None),
        (("splits", "group_by"), project.splits.group_by),
        (("splits", "time"), project.splits.time),
    ]
    for index, one in enumerate(project.evaluation.slices):
        named.append((("evaluation", "slices", index), one.column))
    for index, name in enumerate(project.evaluation.fairness.sensitive if project.evaluation.fairness else ()):
        named.append((("evaluation", "fairness", "sensitive", index), name))
    for route, word in named:
        if word is not None and word not in declared and word not in stacked and (close := _close(word, declared, 0.8)):
            message = f"column `{word}` is not declared, and `{close}` is"
            yield Finding("suspicious-column", message, route, Severity.WARNING, help=f"did you mean `{close}`?")


@reads("steps")
def own_steps(project: Project) -> Iterator[Finding]:
    """The user's steps refer to outputs that the user's other steps have."""
    for name, step in project.steps.items():
        for port, text in step.inputs.items():
            source, _, output = text.partition(".")
            if source in project.steps and output not in project.steps[source].outputs:
                given = sorted(project.steps[source].outputs)
                help_text = f"it gives {', '.join(given)}" if given else f"declare it in `steps.{source}.outputs`"
                message = f"step `{source}` has no output `{output}`"
                yield Finding("unknown-output", message, ("steps", name, "inputs", port), help=help_text)
        if name in step.after:
            yield Finding("contradiction", "a step cannot wait for itself", ("steps", name, "after"), help="remove it")
