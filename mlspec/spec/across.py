"""Checks that look at more than one place of a spec. Each names the sections it reads: none of them may be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlspec import metrics
from mlspec.diagnostic import Change, Finding, Fix, Route, Severity
from mlspec.fan_out import MARK
from mlspec.spelling import Guess, close, guess

if TYPE_CHECKING:
    from mlspec.ir import Op
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


def _unknown(what: str, word: str, known: Iterable[str], route: Route, code: str, prefix: str = "", suffix: str = "") -> Finding:
    """Return the finding of a word that names nothing; `prefix` and `suffix` are what stands beside the word in its value."""
    known = sorted(known)
    meant = guess(word, known)
    there = f"there are {', '.join(known)}" if known else f"there is no {what}"
    help_text = (f"did you mean `{prefix}{meant.word}{suffix}`? " if meant else "") + there
    return Finding(code, f"there is no {what} `{word}`", route, help=help_text, fix=_written(meant, route, prefix, suffix))


def _written(meant: Guess | None, route: Route, prefix: str = "", suffix: str = "") -> Fix | None:
    """Return the fix that puts a word in its place, where it is certain which."""
    if meant is None or not meant.sure:
        return None
    return Fix(f"write `{meant.word}`", (Change("set", route, f"{prefix}{meant.word}{suffix}"),), safe=meant.same)


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
        related = (("the sources are joined here", ("data", "join")),)
        message = "`join` and `union` cannot both be"
        yield Finding("contradiction", message, ("data", "union"), help="keep one of the two", on="key", related=related)
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


@reads("data", "task", "splits")
def windows_in_time(project: Project) -> Iterator[Finding]:
    """Windows are of a series in time, and of a number or a label that is known later."""
    data, task = project.data, project.task
    if data is None or data.window is None or task is None:
        return
    from mlspec.spec.window import time_of

    window, here, time = data.window, ("data", "window"), time_of(project)
    if time is None:
        yield Finding("missing-key", "`time` is missing", here, help="name the column that says when a row was", on="key")
    for index, name in enumerate(window.values):
        if name in (time, window.by):
            what = "time" if name == time else "the series"
            help_text = "leave it out; a `dates` transform makes numbers of a time" if name == time else "leave it out"
            yield Finding("contradiction", f"`{name}` is the column of {what}", (*here, "values", index), help=help_text)
    if task.kind not in ("classification", "regression"):
        forecast = task.kind == "forecasting"
        message = f"windows are for regression and classification, not for {task.kind}"
        help_text = "write `kind: regression`: a window makes a forecast one" if forecast else "leave `window` out"
        yield Finding(
            "contradiction", message, ("task", "kind") if forecast else here, help=help_text, on="value" if forecast else "key"
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
                related=((f"`{names[0]}` is here", ("data", "columns", names[0], "role")),),
            )


@reads("data", "task")
def target_column(project: Project) -> Iterator[Finding]:
    """What is declared of the target's column fits the task."""
    task = project.task
    if project.data is None or task is None or task.target is None:
        return
    column = project.data.columns.get(task.target)
    here = (("the target is named here", ("task", "target")),)
    for name, other in project.data.columns.items():
        if other.role == "target" and name != task.target and (column is not None or not close(task.target, [name])):
            help_text = f"write `task.target: {name}`, or give `{name}` another role"
            route: Route = ("data", "columns", name, "role")
            yield Finding("contradiction", f"`task.target` is `{task.target}`", route, help=help_text, related=here)
    if column is None:
        return
    route = ("data", "columns", task.target)
    if column.role not in ("feature", "target"):
        yield Finding(
            "contradiction",
            f"the target has the role `{column.role}`",
            (*route, "role"),
            help="leave `role` out, or write `target`",
            related=here,
        )
    if task.kind == "regression" and column.type in ("string", "category", "boolean", "array"):
        message = f"a regression predicts numbers; `{task.target}` is declared as {column.type}"
        help_text = "write `task.kind: classification`, or another target"
        related = (("the task is declared here", ("task", "kind")),)
        yield Finding("contradiction", message, (*route, "type"), help=help_text, related=related)
    if task.positive is not None and column.values is not None and str(task.positive) not in {str(one) for one in column.values}:
        yield _unknown(
            f"value of `{task.target}`", str(task.positive), map(str, column.values), ("task", "positive"), "unknown-label"
        )


@reads("model", "baseline", "task", "compress")
def families(project: Project) -> Iterator[Finding]:
    """A family fits the task, and its parameters fit each other."""
    if project.task is None or project.task.kind not in ("classification", "regression"):
        return
    for name in ("model", "baseline"):
        family = getattr(project, name)
        if family is not None and hasattr(family, "findings"):
            yield from family.findings(project.task.kind, (name,))
    teacher = project.compress.distill.teacher if project.compress and project.compress.distill else None
    if teacher is not None and hasattr(teacher, "findings"):
        yield from teacher.findings(project.task.kind, ("compress", "distill", "teacher"))


@reads("requirements", "task", "evaluation")
def metric_targets(project: Project) -> Iterator[Finding]:
    """A target names a metric of the task, in its range and in its unit."""
    primary = [index for index, one in enumerate(project.requirements.metrics) if one.primary]
    for index in primary[1:]:
        route: Route = ("requirements", "metrics", index, "primary")
        help_text = "models are compared by one: keep one `primary: true`"
        related = (("the other one is here", ("requirements", "metrics", primary[0], "primary")),)
        yield Finding("contradiction", "there is another primary metric", route, help=help_text, related=related)
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
        named = [*fitting, *own, *(one for one in metrics.CATALOGUE if one not in fitting)]
        meant = guess(name, named, {word: (one,) for word, one in metrics.SYNONYMS.items()})
        help_text = f"did you mean `{meant.word}`? " if meant else ""
        listed = f"for {task}: {', '.join([*fitting, *own])}; your own are declared in `evaluation.metrics`"
        yield Finding(
            "unknown-metric", f"there is no metric `{name}`", route, help=help_text + listed, fix=_written(meant, route)
        )
    elif task is not None and task not in known.tasks:
        yield Finding(
            "metric-of-another-task",
            f"{name} is for {' and '.join(known.tasks)}, not for {task}",
            route,
            help=f"one of {', '.join(fitting)}",
            related=(("the task is declared here", ("task", "kind")),),
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
        related = (("it is demanded here", ("requirements", "interpretability")),)
        yield Finding("contradiction", message, ("evaluation", "explain"), help="write `permutation`", related=related)


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
                related=(("the task is declared here", ("task", "kind")),),
            )


@reads("splits", "data", "task")
def split_keys(project: Project) -> Iterator[Finding]:
    """A strategy has the keys it needs and none that it ignores."""
    splits, columns = project.splits, project.data.columns if project.data else {}
    roles = {column.role for column in columns.values()}
    chosen = (("the strategy is chosen here", ("splits", "strategy")),)
    if splits.strategy == "group" and splits.group_by is None and "group" not in roles:
        yield Finding(
            "missing-key", "`group_by` is missing", ("splits",), help="name the column whose equal values stay together", on="key"
        )
    if splits.strategy == "temporal" and splits.time is None and "time" not in roles:
        yield Finding("missing-key", "`time` is missing", ("splits",), help="name the column that orders rows", on="key")
    if splits.group_by is not None and splits.strategy in ("random", "stratified"):
        message = f"the strategy `{splits.strategy}` does not keep groups together"
        yield Finding("contradiction", message, ("splits", "group_by"), help="write `strategy: group`", on="key", related=chosen)
    if splits.time is not None and splits.strategy in ("random", "stratified", "group"):
        yield Finding(
            "contradiction",
            f"the strategy `{splits.strategy}` does not look at time",
            ("splits", "time"),
            help="write `strategy: temporal`",
            on="key",
            related=chosen,
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
        message, related = (
            f"a {project.task.kind} has no classes to stratify by",
            (("the task is declared here", ("task", "kind")),),
        )
        yield Finding("contradiction", message, ("splits", "strategy"), help="write `random`", related=related)


@reads("task", "model", "baseline", "requirements", "evaluation", "training", "monitoring", "retraining")
def named_metrics(project: Project) -> Iterator[Finding]:
    """Metrics that are named beside the requirements are metrics of the task, too."""
    named: list[tuple[Route, str | None]] = []
    if project.training.tuning:
        named.append((("training", "tuning", "metric"), project.training.tuning.metric))
    if project.monitoring and project.monitoring.concept_drift:
        named.append((("monitoring", "concept_drift", "metric"), project.monitoring.concept_drift.metric))
    if project.retraining and project.retraining.ab_test:
        named.append((("retraining", "ab_test", "metric"), project.retraining.ab_test.metric))
    business = {one.name for one in project.requirements.business}  # an experiment may compare what the business counts
    for route, name in named:
        if name is not None and name not in project.evaluation.metrics and name not in business:
            yield from _metric(project, name, route)


@reads("model", "training")
def searched(project: Project) -> Iterator[Finding]:
    """The search looks at parameters that the family has."""
    family, tuning = project.model, project.training.tuning
    if family is None or tuning is None or family.own:
        return
    known = list(type(family.params).model_fields)
    for name in tuning.space:
        if name not in known:
            route: Route = ("training", "tuning", "space", name)
            meant = guess(name, [one for one in known if one not in tuning.space])
            help_text = f"did you mean `{meant.word}`?" if meant else f"it has {', '.join(known)}"
            fix = (
                Fix(f"write `{meant.word}`", (Change("rename", route, meant.word),), meant.same) if meant and meant.sure else None
            )
            yield Finding(
                "unknown-parameter", f"{family.kind} has no parameter `{name}`", route, help=help_text, on="key", fix=fix,
                related=(("the family is chosen here", ("model", "kind")),),
            )  # fmt: skip


def _columns_of_sources(project: Project) -> set[str] | None:
    """Return the columns of all sources where the spec names every one of them, else None."""
    data = project.data
    if data is None or any(getattr(source, "names", None) is None for source in data.sources.values()):
        return None
    found = {name for source in data.sources.values() for name in getattr(source, "names", ())}
    return found | ({data.union.source_column} if data.union and data.union.source_column else set())


Named = tuple[Route, str, str, str]
"""Where a column is named, its name, and what stands before and after it in the value."""


def _named_columns(project: Project) -> Iterator[Named]:
    """Yield the columns that the spec names outside of `data.columns`."""
    named: list[tuple[Route, str | None]] = [
        (("task", "target"), project.task.target if project.task else None),
        (("for_each", "column"), project.for_each.column if project.for_each else None),
        (("splits", "group_by"), project.splits.group_by),
        (("splits", "time"), project.splits.time),
    ]
    for index, one in enumerate(project.evaluation.slices):
        route: Route = ("evaluation", "slices", index)
        named.append(((*route, "column") if len(one.model_fields_set) > 1 else route, one.column))
    sensitive = project.evaluation.fairness.sensitive if project.evaluation.fairness else ()
    named += [(("evaluation", "fairness", "sensitive", index), name) for index, name in enumerate(sensitive)]
    drift = project.monitoring.data_drift if project.monitoring else None
    named += [(("monitoring", "data_drift", "columns", index), name) for index, name in enumerate(drift.columns if drift else ())]
    named += _of_transforms(project)
    yield from ((route, name, "", "") for route, name in named if name is not None)
    for route, text in _conditions(project):
        yield from _in_condition(route, text)


def _of_transforms(project: Project) -> Iterator[tuple[Route, str | None]]:
    for index, transform in enumerate(project.features):
        names = getattr(transform, "columns", None)
        if isinstance(names, list | tuple):
            yield from ((("features", index, "columns", at), name) for at, name in enumerate(names))
        if transform.kind == "custom":
            return  # it may make columns of any name


def _conditions(project: Project) -> list[tuple[Route, str]]:
    """Return the conditions of a spec with their routes; those of checks have been read when the spec was."""
    texts: list[tuple[Route, str | None]] = [
        (("requirements", "coverage", index, "where"), one.where) for index, one in enumerate(project.requirements.coverage)
    ]
    texts += [(("evaluation", "slices", index, "where"), one.where) for index, one in enumerate(project.evaluation.slices)]
    checks = project.data.checks if project.data else ()
    texts += [(("data", "checks", index, "that"), getattr(one, "that", None)) for index, one in enumerate(checks)]
    return [(route, text) for route, text in texts if text is not None]


@reads("requirements", "evaluation")
def conditions(project: Project) -> Iterator[Finding]:
    """The condition of a slice or a scenario can be read."""
    from mlspec.expression import BadExpression, parse

    for route, text in _conditions(project):
        try:
            parse(text)
        except BadExpression as bad:
            yield Finding("bad-expression", bad.message, route, help=bad.help)


def _in_condition(route: Route, text: str) -> Iterator[Named]:
    from mlspec.expression import BadExpression, parse

    try:
        names = parse(text).columns
    except BadExpression:
        return
    for name in names:
        before, found, after = text.partition(name)
        alone = bool(found) and name not in after
        yield route, name, before if alone else "", after if alone else ""


@reads("pipeline", "training")
def folds_fanned_out(project: Project) -> Iterator[Finding]:
    """Folds become steps where there are folds."""
    if "folds" in project.pipeline.fan_out and not project.training.cross_validation:
        route: Route = ("pipeline", "fan_out", project.pipeline.fan_out.index("folds"))
        related = (("cross-validation is off here", ("training", "cross_validation")),)
        help_text = "leave it out, or write `training: {cross_validation: 5}`"
        yield Finding("contradiction", "there are no folds", route, help=help_text, related=related)


@reads("for_each", "data")
def items(project: Project) -> Iterator[Finding]:
    """Items are listed once, have names of their own, and are values of their column."""
    from mlspec import fan_out

    wanted = project.for_each
    if wanted is None or wanted.values is None:
        return
    found = fan_out.items(wanted.values, fan_out.VALUES)
    yield from fan_out.collisions(found)
    column = project.data.columns.get(wanted.column) if project.data else None
    if column is not None and column.values is not None:
        known = [fan_out.written(value) for value in column.values]
        for item in found:
            if item.text not in known:
                yield _unknown(f"value of `{wanted.column}`", item.text, known, item.route, "unknown-value")


@reads("for_each", "task", "data", "model")
def items_of_what(project: Project) -> Iterator[Finding]:
    """What is made for each item is a model, and the target is no item."""
    wanted = project.for_each
    if wanted is None:
        return
    if project.model is None and project.task is None and project.data is None:
        message = "there is no model to make for each item"
        yield Finding("contradiction", message, ("for_each",), help="`steps` of your own run once; leave it out", on="key")
    elif project.task is not None and project.task.target == wanted.column:
        related = (("the target is named here", ("task", "target")),)
        message = "each model would have rows of one target only"
        yield Finding("contradiction", message, ("for_each", "column"), help="name another column", related=related)


@reads("data", "splits", "evaluation", "task", "features", "requirements", "monitoring", "for_each")
def named_columns(project: Project) -> Iterator[Finding]:
    """A column that is named somewhere is one that the sources name, or at least not all but one that is declared.

    Where the rows may hold columns that the spec does not mention, a near miss is a warning.
    """
    if project.data is None:
        return
    declared, complete = project.data.columns, _columns_of_sources(project)
    made = {project.data.union.source_column} if project.data.union else set()
    for route, word, before, after in _named_columns(project):
        if word in declared or word in made or (complete is not None and word in complete):
            continue
        meant = close(word, [*declared, *(complete or ())])
        if meant is None and (complete is None or route[0] == "features"):
            continue
        related = (
            ((f"`{meant.word}` is declared here", ("data", "columns", meant.word)),) if meant and meant.word in declared else ()
        )
        fix = _fixed_column(meant, route, before, after)
        if meant is not None:
            message = f"column `{word}` is not declared, and `{meant.word}` is"
            help_text = f"did you mean `{meant.word}`?"
            yield Finding("suspicious-column", message, route, Severity.WARNING, help_text, related=related, fix=fix)
        else:
            help_text = f"the sources name {', '.join(sorted(complete or ()))}"
            yield Finding("unknown-column", f"no source has a column `{word}`", route, help=help_text)


@reads("data", "features")
def sample_rates(project: Project) -> Iterator[Finding]:
    """Spectra are made at the rate at which sounds are read."""
    sources = project.data.sources.values() if project.data else ()
    rates = sorted({int(getattr(source, "rate", 0)) for source in sources if source.kind == "audio"})
    for index, transform in enumerate(project.features):
        rate, route = getattr(transform, "rate", None), ("features", index, "rate")
        if rate is not None and rates and rate not in rates:
            message = f"sounds are read at {', '.join(map(str, rates))} samples a second, and `rate` says {rate}"
            fix = Fix(f"write {rates[0]}", (Change("set", route, rates[0]),), safe=False) if len(rates) == 1 else None
            yield Finding("contradiction", message, route, help="both are one number", fix=fix)


def _fixed_column(meant: Guess | None, route: Route, before: str, after: str) -> Fix | None:
    if meant is None or (route[-1] in ("where", "that") and not before and not after):
        return None
    return Fix(f"write `{meant.word}`", (Change("set", route, f"{before}{meant.word}{after}"),), safe=False)


def implied() -> Mapping[str, Op]:
    """Return the steps that a spec with a model implies, as `mlspec.lower` makes them; some only where the spec asks for them."""
    from mlspec import ops

    return {
        "ingest": ops.INGEST,
        "validate": ops.VALIDATE,
        "check_data": ops.GATE,
        "split": ops.SPLIT,
        "suggest": ops.SUGGEST,
        "trial": ops.TRIAL,
        "choose": ops.CHOOSE,
        "featurize": ops.FEATURIZE,
        "featurize_teacher": ops.FEATURIZE,
        "train_teacher": ops.TRAIN,
        "train": ops.TRAIN,
        "featurize_baseline": ops.FEATURIZE,
        "train_baseline": ops.TRAIN,
        "cross_validate": ops.CROSS_VALIDATE,
        "fold": ops.FOLD,
        "evaluate": ops.EVALUATE,
        "evaluate_baseline": ops.EVALUATE,
        "evaluate_teacher": ops.EVALUATE,
        "decide": ops.DECIDE,
        "explain": ops.EXPLAIN,
        "report": ops.REPORT_OP,
        "gate": ops.GATE,
        "export": ops.EXPORT,
        "ship": ops.SHIP,
        "gate_exports": ops.GATE,
        "package": ops.PACKAGE_OP,
        "register": ops.REGISTER,
    }


def _implied(project: Project) -> dict[str, set[str]] | None:
    """Return the outputs of the steps that a spec implies, by step; None where a section is missing, or a file, that says so."""
    sections = (project.task, project.data, project.model)
    if any(one is None for one in sections):
        return {} if all(one is None for one in sections) else None
    if project.for_each and project.for_each.values is None:
        return None
    made = dict(_of_one_model(project))
    return made if project.for_each is None else _of_items(made, project.for_each.values)


def _of_one_model(project: Project) -> Iterator[tuple[str, set[str]]]:
    """Yield the steps that a model implies, with their outputs."""
    from mlspec import fan_out

    training, tuning = project.training, project.training.tuning
    exports = [f"export_{name}" for _, name in fan_out.exports(project.exports)]
    untaught = project.compress is None or _untaught(project)
    left_out = {
        "suggest": tuning is None,
        "trial": tuning is None,
        "choose": tuning is None,
        "featurize_teacher": untaught,
        "train_teacher": untaught,
        "evaluate_teacher": untaught,
        "featurize_baseline": project.baseline is None or project.baseline.kind == "sklearn.dummy",
        "cross_validate": not training.cross_validation,
        "fold": not training.cross_validation or "folds" not in project.pipeline.fan_out,
        "explain": project.evaluation.explain != "permutation",
        "ship": not exports,
        "gate_exports": not exports,
    }
    many = {"export": exports, "fold": fan_out.numbered("fold", training.cross_validation or 0)}
    if tuning is not None:
        many["trial"] = fan_out.numbered("trial", tuning.count)
        many["suggest"] = fan_out.suggestions(fan_out.rounds(tuning.method, tuning.count, tuning.together))
    for name, op in implied().items():
        if not left_out.get(name):
            given = {port.name for port in op.outputs} or OPEN[name]
            yield from ((one, given) for one in many.get(name, [name]))


def _untaught(project: Project) -> bool:
    from mlspec.spec.compress import distilled

    return distilled(project) is None


def _of_items(made: Mapping[str, set[str]], values: Iterable[Any] | None) -> dict[str, set[str]]:
    """Return the steps under the names that they have for each item, with those for all."""
    from mlspec import fan_out

    found = {name: made[name] for name in ("ingest", "validate", "check_data")}
    for item in fan_out.items(values or (), fan_out.VALUES):
        found[item.step("pick")] = {"data", "profile"}
        found |= {item.step(name): given for name, given in made.items() if name not in ("ingest", "validate", "check_data")}
    return found | {"summary": {"summary", "page"}}


OPEN = {"suggest": {"trials"}, "choose": {"chosen"}, "ship": {"bundle", "decision", "page"}}
"""What steps give whose op does not say it."""


@reads("steps", "task", "data", "model", "baseline", "training", "evaluation", "compress", "pipeline", "for_each")
def own_steps(project: Project) -> Iterator[Finding]:
    """The user's steps refer to steps that there are, and to outputs that these have."""
    given = _implied(project) if project.steps else None
    if given is None:
        return
    gives = given | {name: set(step.gives) for name, step in project.steps.items()}
    families = {name.partition(MARK)[0] for name in gives if MARK in name}
    for name, step in project.steps.items():
        for port, text in step.inputs.items():
            yield from _taken(text, gives, ("steps", name, "inputs", port), project.steps)
        for index, other in enumerate(step.after):
            route: Route = ("steps", name, "after", index)
            if other == name:
                yield Finding("contradiction", "a step cannot wait for itself", ("steps", name, "after"), help="remove it")
            elif other not in gives and other not in families:
                yield _unknown("step", other, gives, route, "unknown-step")


def _taken(text: str, gives: Mapping[str, set[str]], route: Route, own: Mapping[str, Any]) -> Iterator[Finding]:
    source, _, output = text.partition(".")
    if source not in gives:
        yield _unknown("step", source, gives, route, "unknown-step", suffix=f".{output}")
    elif output not in gives[source]:
        given = sorted(gives[source])
        meant = guess(output, given)
        there = f"it gives {', '.join(given)}" if given else f"declare it in `steps.{source}.outputs`"
        help_text = (f"did you mean `{source}.{meant.word}`? " if meant else "") + there
        related = (("the step is declared here", ("steps", source)),) if source in own else ()
        message, fix = f"step `{source}` has no output `{output}`", _written(meant, route, prefix=f"{source}.")
        yield Finding("unknown-output", message, route, help=help_text, related=related, fix=fix)
