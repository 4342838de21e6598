"""Rules about doing it again: images, notebooks, seeds, schedules, queries, and where runs and models are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Duration
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.rules._secrets import LONGEST

DAY = 86_400
PERIODS = {"hourly": 3600, "daily": DAY, "weekly": 7 * DAY, "monthly": 30 * DAY, "yearly": 365 * DAY}
REMOTE = frozenset({"sql", "postgresql", "mongodb", "kafka", "kinesis", "blob", "custom"})
"""Sources whose state is not told by the bytes of a file beside the spec."""

NOTEBOOK = lazy(r"\.ipynb\b|\bpapermill\b|\bjupyter(?:-nbconvert| nbconvert)\b|\bnbconvert\b")
INSTALL = lazy(r"\b(?:pip3?|uv pip|conda|mamba|apt-get|apt|npm) install\s+(?P<what>[^|;&\n]+)")
SEEDS = frozenset({"seed", "random_state", "random_seed", "rng_seed", "np_seed"})
CHANCE = frozenset({"", "none", "null", "random", "time", "now", "auto", "-1"})
CLOCK = lazy(
    r"(?i)\b(?:now|getdate|sysdate|current_date|current_timestamp|curdate|localtimestamp|utc_timestamp|today)\b(?:\s*\(\s*\))?"
)
DRAWN = lazy(r"(?i)\border\s+by\s+(?:rand(?:om)?|newid|dbms_random\.\w+)\s*\(|\btablesample\b|\busing\s+sample\b")


@rule("REP001", (None, INFO, WARNING), reads="steps")
def image_without_a_digest(case: Case) -> Iterator[Hit]:
    """A step names the image it runs by a tag, and not by its digest.

    ## Why this is bad
    A tag can be moved to another image; a digest names its bytes.

    ## Bad
    ```yaml
    steps: {score: {kind: container, image: "registry.example.com/score:1.4.2", command: [score]}}
    ```

    ## Good
    ```yaml
    steps:
      score:
        kind: container
        image: registry.example.com/score:1.4.2@sha256:7d2f3a9b5c1e8f60417a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70
        command: [score]
    ```

    ## Fix safety
    None: the digest must be asked of the registry, `docker buildx imagetools inspect IMAGE`.

    ## Source
    The guide, "What to Track: Environment: Docker"; https://docs.docker.com/build/building/best-practices.
    """
    for name, step in case.project.steps.items():
        image = getattr(step, "image", None)
        tag = image.rsplit("/", 1)[-1].partition(":")[2] if image else ""
        if image and "@" not in image and re.search(r"\d", tag) and "${" not in image:
            yield Hit(
                f"the tag `{tag}` may be moved to another image",
                ("steps", name, "image"),
                help=f"add the digest: `{image}@sha256:…`",
            )


@rule("REP002", (None, WARNING, ERROR), reads="steps")
def notebook_in_the_pipeline(case: Case) -> Iterator[Hit]:
    """A step of the pipeline runs a notebook.

    ## Why this is bad
    A notebook's cells run in any order and keep hidden state: it cannot be reviewed line by line, tested or imported.

    ## Bad
    ```yaml
    steps: {clean: {kind: container, image: "jupyter:7.2", command: [papermill, clean.ipynb, out.ipynb]}}
    ```

    ## Good
    ```yaml
    steps: {clean: {entrypoint: "churn.clean:run"}}
    ```

    ## Fix safety
    None: the code must be moved to a module.

    ## Source
    The guide, "Development Stages: Proof of Concept: Jupyter notebooks; Production: automated, monitored pipelines"; Pimentel et
    al (2019), A Large-scale Study about Quality and Reproducibility of Jupyter Notebooks: 4 % gave the same results again.
    """
    told = set()
    if not case.says(".ipynb", "papermill", "jupyter", "nbconvert"):
        return
    for route, text in (*case.texts("steps"), *case.texts("model"), *case.texts("features"), *case.texts("data", "sources")):
        found = NOTEBOOK.search(text, 0, LONGEST)
        if found and route[:2] not in told and route[-1] != "description":
            told.add(route[:2])
            yield Hit(
                f"`{text[:60]}` is a notebook, and the phase is {case.phase}",
                route,
                help="move the code to a module beside the spec: `entrypoint: package.module:function`",
            )


@rule("REP003", (None, None, WARNING), reads="pipeline steps")
def no_retries(case: Case) -> Iterator[Hit]:
    """A pipeline runs by itself in production, and a step that fails is not tried again.

    ## Why this is bad
    Most failures at night are of the network or of a machine, and gone a minute later: a retry spares a call.

    ## Bad
    ```yaml
    pipeline: {retries: 0}
    ```

    ## Good
    ```yaml
    pipeline: {retries: 2}
    ```

    ## Fix safety
    Unsafe: a step of yours that must not run twice runs twice.

    ## Source
    The guide, "Integration Failures: API errors, timeouts: better error handling".
    """
    pipeline = case.project.pipeline
    if pipeline.schedule and pipeline.retries == 0 and not any(step.tries_again for step in case.project.steps.values()):
        written = case.wrote("pipeline", "retries")
        yield Hit(
            "this pipeline runs by itself, and nothing is tried again",
            ("pipeline", "retries" if written else "schedule"),
            help="write `retries: 2`",
            fix=Fix("try twice again", (Change("set", ("pipeline", "retries"), 2),), safe=False),
        )


@rule("REP004", (None, None, WARNING), reads="pipeline")
def no_timeout(case: Case) -> Iterator[Hit]:
    """A pipeline runs by itself in production, and a step may hang for ever.

    ## Why this is bad
    A step that hangs holds its machine and keeps the next run from starting, and no alert is sent: nothing has failed.

    ## Bad
    ```yaml
    pipeline: {timeout: null}
    ```

    ## Good
    ```yaml
    pipeline: {timeout: 2 h}
    ```

    ## Fix safety
    None: how long a step takes is known from its runs.

    ## Source
    The guide, "Integration Failures: API errors, timeouts".
    """
    pipeline = case.project.pipeline
    if pipeline.schedule and pipeline.timeout is None:
        period = interval(pipeline.schedule)
        half = f", less than the {Duration(period)} between two runs" if period else ""
        yield Hit(
            "this pipeline runs by itself, and a step may hang for ever",
            ("pipeline", "schedule"),
            help=f"add `timeout: 1 h`, or what the longest step takes{half}",
        )


@rule("REP005", (None, INFO, WARNING), reads="pipeline")
def schedule_without_a_time_zone(case: Case) -> Iterator[Hit]:
    """A schedule names an hour and no time zone.

    ## Why this is bad
    Three o'clock in the night is UTC here, local time in other schedulers, and another hour in summer for whoever waits for it.

    ## Bad
    ```yaml
    pipeline: {timezone: null}
    ```

    ## Good
    ```yaml
    pipeline: {schedule: "0 3 * * 1", timezone: Europe/Paris}
    ```

    ## Fix safety
    Safe: `UTC`, the default, is written out.

    ## Source
    The language: without `timezone` it is UTC. Measured: Kubeflow's schedules have six fields and are UTC, others are local.
    """
    schedule = case.project.pipeline.schedule
    if schedule is None or case.wrote("pipeline", "timezone") or (interval(schedule) or 0) < DAY:
        return
    yield Hit(
        f"`{schedule}` is meant in UTC, because no time zone is written",
        ("pipeline", "schedule"),
        help="add `timezone: Europe/Paris`, or `timezone: UTC` if that is meant",
        fix=Fix("write UTC", (Change("set", ("pipeline", "timezone"), "UTC"),)),
    )


@rule("REP006", (INFO, WARNING, WARNING), reads="pipeline")
def schedule_in_the_lost_hour(case: Case) -> Iterator[Hit]:
    """A schedule starts in the hour that is left out in spring, or comes twice in autumn.

    ## Why this is bad
    On that day the run is skipped, or made twice, once a year, when nobody remembers why.

    ## Bad
    ```yaml
    pipeline: {schedule: "30 2 * * *", timezone: Europe/Paris}
    ```

    ## Good
    ```yaml
    pipeline: {schedule: "30 4 * * *", timezone: Europe/Paris}
    ```

    ## Fix safety
    None: another hour is a decision.

    ## Source
    Computed from the IANA time zone database; the language: `timezone` is one of its names.
    """
    pipeline = case.project.pipeline
    fields = (pipeline.schedule or "").split()
    if len(fields) != 5 or not (fields[0].isdecimal() and fields[1].isdecimal()):
        return
    for day, hour in _changes(pipeline.timezone):
        if hour != int(fields[1]) or not _falls_on(fields, day):
            continue
        how = "left out" if _left_out(pipeline.timezone, day, hour, int(fields[0])) else "made twice"
        safe = next(
            one for one in range(hour + 1, hour + 24) if all(one % 24 != other for _, other in _changes(pipeline.timezone))
        )
        start = f"{int(fields[1])}:{int(fields[0]):02}"
        yield Hit(
            f"in {pipeline.timezone}, {start} is {how} on one day of the year, such as {day:%Y-%m-%d}",
            ("pipeline", "schedule"),
            help=f"start at another hour, such as {(safe) % 24}:{int(fields[0]):02}, or write `timezone: UTC`",
        )
        return


@lru_cache(maxsize=64)
def _changes(zone: str) -> tuple[tuple[datetime, int], ...]:
    """Return (day, hour) of what is left out or comes twice in a zone, for 2026 and 2027: rules, not the clock, decide."""
    from zoneinfo import ZoneInfo

    try:
        place = ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        return ()
    found = []
    for month in range(24):
        first = datetime(2026 + month // 12, month % 12 + 1, 1, 12)
        after = datetime(2026 + (month + 1) // 12, (month + 1) % 12 + 1, 1, 12)
        low, high = 0, (after - first).days
        if _offset(place, first) == _offset(place, after):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            same = _offset(place, first + timedelta(days=middle)) == _offset(place, first)
            low, high = (middle, high) if same else (low, middle)
        day = (first + timedelta(days=high)).replace(hour=0)
        found += [(day, hour) for hour in range(24) if _doubtful(place, day.replace(hour=hour))]
    return tuple(found)


def _offset(place: Any, when: datetime, fold: int = 0) -> timedelta | None:
    return when.replace(tzinfo=place, fold=fold).utcoffset()


def _doubtful(place: Any, when: datetime) -> bool:
    """Whether a local time is left out, or comes twice: its two readings differ."""
    return _offset(place, when) != _offset(place, when, 1)


def _left_out(zone: str, day: datetime, hour: int, minute: int) -> bool:
    from zoneinfo import ZoneInfo

    place, when = ZoneInfo(zone), day.replace(hour=hour, minute=minute)
    first, second = _offset(place, when), _offset(place, when, 1)
    return first is not None and second is not None and first < second


def _falls_on(fields: list[str], day: datetime) -> bool:
    """Whether the day fields of a schedule hold a day. Of names and ranges only what is plain is read; the rest may."""
    weekday = (day.weekday() + 1) % 7
    names = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
    checks = ((fields[2], day.day), (fields[3], day.month), (fields[4], weekday))
    for field, value in checks:
        parts = {
            names.get(part.lower(), int(part) % 7 if field is fields[4] and part.isdecimal() else part)
            for part in field.split(",")
        }
        plain = all(isinstance(part, int) or part.isdecimal() for part in parts)
        if plain and value not in {int(part) for part in parts}:
            return False
        span = re.fullmatch(r"(\w+)-(\w+)", field)
        if span:
            ends = [names.get(end.lower(), int(end) if end.isdecimal() else -1) for end in span.groups()]
            inside = ends[0] <= value <= ends[1] or (field is fields[4] and ends[1] == 7 and value == 0)
            if -1 not in ends and not inside:
                return False
    return True


def interval(schedule: str) -> int | None:
    """Return the shortest time between two starts in seconds; None where it is not plain."""
    if schedule in PERIODS:
        return PERIODS[schedule]
    fields = schedule.split()
    if len(fields) != 5:
        return None
    minutes, hours = _spacing(fields[0], 60), _spacing(fields[1], 24)
    if minutes is None or hours is None:
        return None
    if minutes < 60:
        return minutes * 60
    if hours < 24:
        return hours * 3600
    single = fields[4].isdecimal() or (fields[4].isalpha() and len(fields[4]) == 3)
    return 7 * DAY if single and fields[2:4] == ["*", "*"] else 28 * DAY if fields[2].isdecimal() and fields[4] == "*" else DAY


def _spacing(field: str, cycle: int) -> int | None:
    """Return the shortest distance of two values of a field of a schedule."""
    if field == "*":
        return 1
    if found := re.fullmatch(r"\*/(\d+)", field):
        return int(found[1])
    if not re.fullmatch(r"\d+(?:,\d+)*", field):
        return None
    values = sorted({int(part) for part in field.split(",")})
    gaps = [after - before for before, after in zip(values, [*values[1:], values[0] + cycle], strict=True)]
    return min(gaps)


@rule("REP007", (None, INFO, WARNING), reads="pipeline")
def runs_overlap(case: Case) -> Iterator[Hit]:
    """One step may take longer than the time between two runs.

    ## Why this is bad
    The next run starts while the last one still writes: both use the machines, and the older may win.

    ## Bad
    ```yaml
    pipeline: {schedule: hourly, timeout: 2 h}
    ```

    ## Good
    ```yaml
    pipeline: {schedule: hourly, timeout: 30 min}
    ```

    ## Fix safety
    None: either number may be the wrong one.

    ## Source
    The guide, "Production: automated, monitored pipelines"; counted from the schedule.
    """
    pipeline = case.project.pipeline
    period = interval(pipeline.schedule) if pipeline.schedule else None
    if period and pipeline.timeout is not None and pipeline.timeout > period:
        yield Hit(
            f"a step may take {pipeline.timeout}, and the next run starts after {Duration(period)}",
            ("pipeline", "timeout"),
            help=f"write less than {Duration(period)}, or start less often",
            related=(("the schedule is here", ("pipeline", "schedule")),),
        )


@rule("REP008", (None, WARNING, WARNING), reads="pipeline retraining")
def two_schedules_at_once(case: Case) -> Iterator[Hit]:
    """The pipeline and the retraining start at the same minute.

    ## Why this is bad
    Two runs train the same model on the same rows at the same time, and which of them is registered is chance.

    ## Bad
    ```yaml
    pipeline: {schedule: "0 3 * * 1"}
    retraining: {schedule: "0 3 * * 1"}
    ```

    ## Good
    ```yaml
    pipeline: {schedule: "0 3 * * 1"}
    retraining: {schedule: "0 5 * * 1"}
    ```

    ## Fix safety
    None: which of the two is meant is a decision.

    ## Source
    The guide, "Automated Retraining Pipeline"; the language: both start the same steps.
    """
    retraining, schedule = case.project.retraining, case.project.pipeline.schedule
    if retraining and schedule and retraining.schedule == schedule:
        yield Hit(
            f"`{schedule}` is the schedule of the pipeline, too: the model is trained twice at once",
            ("retraining", "schedule"),
            help="keep one of the two, or move one by hours",
            related=(("the pipeline's is here", ("pipeline", "schedule")),),
        )


@rule("REP009", (None, WARNING, WARNING), reads="pipeline data")
def cache_older_than_the_data(case: Case) -> Iterator[Hit]:
    """Results of earlier runs are used again although the source has newer data by then.

    ## Why this is bad
    A run that looks fresh trains on rows of last week: a database has no bytes here to tell that it changed.

    ## Bad
    ```yaml
    data: {sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select 1, refresh: daily}}}
    pipeline: {cache: {max_age: 7 d}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select 1, refresh: daily}}}
    pipeline: {cache: {max_age: 12 h}}
    ```

    ## Fix safety
    Unsafe: the age is set to the time between two refreshes, so more is computed again.

    ## Source
    The guide, "Reproducibility Problems: version control for data"; the language: files are told by their content, databases not.
    """
    cache, data = case.project.pipeline.cache, case.project.data
    if cache is None or cache.max_age is None or data is None:
        return
    sources: Mapping[str, Any] = data.sources
    fresh = [(PERIODS[one.refresh], name) for name, one in sources.items() if one.kind in REMOTE and one.refresh in PERIODS]
    if fresh and cache.max_age > min(fresh)[0]:
        period, name = min(fresh)
        route: Route = ("pipeline", "cache", "max_age")
        yield Hit(
            f"results of {cache.max_age} ago count, and `{name}` has new data every {Duration(period)}",
            route,
            help=f"write at most `{Duration(period)}`",
            related=(("the source is refreshed here", ("data", "sources", name, "refresh")),),
            fix=Fix(f"write {Duration(period)}", (Change("set", route, str(Duration(period))),), safe=False),
        )


@rule("REP010", (None, None, INFO), reads="tracking task model")
def runs_not_recorded(case: Case) -> Iterator[Hit]:
    """Runs are recorded nowhere but on the machine that made them.

    ## Why this is bad
    When the model misbehaves nobody can look up with which rows, parameters and code it was made.

    ## Bad
    ```yaml
    tracking: null
    ```

    ## Good
    ```yaml
    tracking: {kind: mlflow}
    ```

    ## Fix safety
    Unsafe: runs go to MLflow, and its server must be there.

    ## Source
    The guide, "Experiment Tracking: what to track" and "Document all experiments and decisions".
    """
    if case.project.tracking is None and case.project.model is not None:
        yield Hit(
            "runs are recorded on this machine only",
            ("project", "phase"),
            help="add `tracking: {kind: mlflow}`",
            fix=Fix("record runs in MLflow", (Change("set", ("tracking",), {"kind": "mlflow"}),), safe=False),
        )


@rule("REP011", (None, None, WARNING), reads="registry model")
def registry_on_one_machine(case: Case) -> Iterator[Hit]:
    """Versions of a model in production are kept in a folder of one machine.

    ## Why this is bad
    A rollback needs the last good version; it is gone with the disk, and other machines never saw it.

    ## Bad
    ```yaml
    registry: {kind: local}
    ```

    ## Good
    ```yaml
    registry: {kind: mlflow, name: churn}
    ```

    ## Fix safety
    Unsafe: versions go to MLflow, and its server must be there.

    ## Source
    The guide, "Model Registry: central repository for model versions".
    """
    if case.project.registry.kind == "local" and case.project.model is not None:
        written = case.wrote("registry")
        yield Hit(
            "versions of the model are kept in a folder of one machine",
            ("registry", "kind") if case.wrote("registry", "kind") else ("project", "phase"),
            help="write `registry: {kind: mlflow}`, or put the folder (`registry_root`) on storage with a backup",
            fix=None if written else Fix("use MLflow", (Change("set", ("registry",), {"kind": "mlflow"}),), safe=False),
        )


@rule("REP012", WARNING, reads="")
def seed_left_to_chance(case: Case) -> Iterator[Hit]:
    """A seed is handed to your own code as nothing, as -1 or as the time.

    ## Why this is bad
    Each run then gives another model, and no result can be had again.

    ## Bad
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: {learning_rate: null, random_seed: -1}}
    ```

    ## Good
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: {learning_rate: null, random_seed: 7}}
    ```

    ## Fix safety
    Unsafe: `7`, the default of `training.seed`, is written, which is one model of many.

    ## Source
    The guide, "Reproducibility Problems"; the language: everything else depends on `training.seed` and `splits.seed`.
    """
    for route, value in _seeds(case):
        if str(value).lower() in CHANCE or (isinstance(value, int) and value < 0):
            seed = case.project.training.seed
            yield Hit(
                f"`{route[-1]}: {value}` gives another result in each run",
                route,
                help=f"write a number, such as {seed}; a family of your own gets `training.seed` as its argument `seed`",
                fix=Fix(f"write {seed}", (Change("set", route, seed),), safe=False),
            )


def _seeds(case: Case) -> Iterator[tuple[Route, Any]]:
    """Yield (route, value) of each seed in the parameters of the user's own code."""
    waiting: list[tuple[Route, Any, bool]] = [((), dict(case.raw), False)]
    while waiting:
        route, value, inside = waiting.pop()
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in pairs:
            if inside and str(key).lower() in SEEDS and not isinstance(inner, dict | list | bool):
                yield (*route, key), inner
            elif isinstance(inner, dict | list):
                waiting.append(((*route, key), inner, inside or key == "params"))


@rule("REP013", (None, INFO, INFO), reads="training")
def seeds_differ(case: Case) -> Iterator[Hit]:
    """Your own code gets another seed than training.

    ## Why this is bad
    Who repeats a run with another `training.seed`, to see how much is chance, changes half of the chance only.

    ## Bad
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: {learning_rate: null, random_seed: 42}}
    ```

    ## Good
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: {learning_rate: null, random_seed: 7}}
    ```

    ## Fix safety
    Unsafe: results change with the seed.

    ## Source
    The guide, "Reproducibility Problems"; Bouthillier et al (2021), Accounting for Variance in Machine Learning Benchmarks.
    """
    seed = case.project.training.seed
    for route, value in _seeds(case):
        if isinstance(value, int) and value >= 0 and value != seed:
            yield Hit(
                f"`{route[-1]}` is {value}, and `training.seed` is {seed}",
                route,
                help=f"write {seed}, or leave it out where your code gets `seed`",
                fix=Fix(f"write {seed}", (Change("set", route, seed),), safe=False),
            )


@rule("REP014", (INFO, WARNING, WARNING), reads="")
def rows_by_chance(case: Case) -> Iterator[Hit]:
    """A query gives other rows each time: it draws them, or takes the first of no order.

    ## Why this is bad
    Each run trains and is judged on other rows: two runs cannot be compared, and none can be had again.

    ## Bad
    ```yaml
    data:
      sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select * from orders limit 10000}}
    ```

    ## Good
    ```yaml
    data:
      sources:
        customers: null
        orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select * from orders order by order_id limit 10000}
    ```

    ## Fix safety
    None: only you know the key to order by.

    ## Source
    The guide, "Data Lineage Tracking: versioning"; https://www.postgresql.org/docs/current/queries-limit.html: without ORDER BY
    the rows are not foreseeable.
    """
    for route, text in _queries(case):
        if found := DRAWN.search(text):
            yield Hit(
                f"`{found[0]}` gives other rows each time", route, help="draw by a hash of the key: `where mod(hash(id), 10) = 0`"
            )
        elif re.search(r"(?i)\b(?:limit\s+[2-9]|limit\s+\d\d|top\s*\(?\d|fetch\s+first)", text) and not re.search(
            r"(?i)\border\s+by\b", text
        ):
            yield Hit(
                "this takes the first rows of no order: other ones each time", route, help="add `order by` with a unique key"
            )


def _queries(case: Case) -> Iterator[tuple[Route, str]]:
    for route, text in case.texts("data", "sources"):
        if route[-1] == "query":
            yield route, re.sub(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", " ", text[:LONGEST], flags=re.DOTALL)


@rule("REP015", (None, INFO, INFO), reads="")
def query_reads_the_clock(case: Case) -> Iterator[Hit]:
    """A query depends on the day it is made.

    ## Why this is bad
    The same spec gives other rows tomorrow: a result of last month cannot be had again to compare with.

    ## Bad
    ```yaml
    data:
      sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select * from o where d > now()}}
    ```

    ## Good
    ```yaml
    data:
      sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: "select * from o where d > '2026'"}}
    ```

    ## Fix safety
    None: a moving window may be what is wanted; keep the rows of each run then.

    ## Source
    The guide, "Data Lineage Tracking: versioning: track data changes over time".
    """
    for route, text in _queries(case):
        if found := CLOCK.search(text):
            yield Hit(
                f"`{found[0].strip()}` makes the rows depend on the day",
                route,
                help="write the date with `--set` or in an environment, so that a run can be made again",
            )


@rule("REP016", (None, INFO, WARNING), reads="steps")
def install_without_versions(case: Case) -> Iterator[Hit]:
    """A command of a step installs packages without saying which versions.

    ## Why this is bad
    The next run gets whatever was released since, and fails or answers differently with the same spec.

    ## Bad
    ```yaml
    steps: {score: {kind: container, image: "python:3.12@sha256:0f1e", command: [sh, -c, "pip install pandas; python s.py"]}}
    ```

    ## Good
    ```yaml
    steps: {score: {kind: container, image: "score:1.2@sha256:0f1e", command: [python, score.py]}}
    ```

    ## Fix safety
    None: which versions work is known from a run.

    ## Source
    The guide, "What to Track: Environment: library versions".
    """
    for name, step in case.project.steps.items():
        words = " ".join(getattr(step, "command", ()))[:LONGEST]
        found = INSTALL.search(words)
        loose = [word for word in found["what"].split() if re.fullmatch(r"[A-Za-z][\w.-]*(?:\[[\w,]+\])?", word)] if found else []
        if found and loose and not re.search(r"(?:^|\s)(?:-r|--requirement|-c|--constraint|--require-hashes)\b", found["what"]):
            yield Hit(
                f"`{loose[0]}` is installed in whatever version there is that day",
                ("steps", name, "command"),
                help=f"install it into the image, or write `{loose[0]}==…` of a lock",
            )


@rule("REP017", (None, INFO, WARNING), reads="data")
def versions_of_nothing(case: Case) -> Iterator[Hit]:
    """DVC or lakeFS is to keep versions of data that it does not hold.

    ## Why this is bad
    DVC versions files and lakeFS objects behind its own address: rows of a database are versioned by neither.

    ## Bad
    ```yaml
    data:
      sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: select 1}}
      version: {engine: dvc}
    ```

    ## Good
    ```yaml
    data: {version: {engine: dvc}}
    ```

    ## Fix safety
    Unsafe: `content_hash` is written, which names the rows that a run has read.

    ## Source
    The guide, "Data Management: version control: track data changes with DVC or similar tools"; https://dvc.org/doc/user-guide.
    """
    data = case.project.data
    if data is None or data.version.engine == "content_hash":
        return
    databases = [name for name, one in data.sources.items() if one.kind in ("sql", "postgresql", "mongodb", "kafka", "kinesis")]
    if len(databases) == len(data.sources):
        route: Route = ("data", "version", "engine")
        yield Hit(
            f"`{data.version.engine}` versions files, and {', '.join(f'`{name}`' for name in databases)} has none",
            route,
            help="write `content_hash`, or export the rows to files first",
            related=(("the source is here", ("data", "sources", databases[0], "kind")),),
            fix=Fix("use content_hash", (Change("set", route, "content_hash"),), safe=False),
        )
