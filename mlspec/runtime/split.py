"""Split: deal the rows to train, dev and test by identity, and prove on what was written that nothing leaks between them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.runtime import cast, identity, table
from mlspec.runtime.artifact import write_json
from mlspec.runtime.identity import Hashes

Params = Mapping[str, Any]
Array = NDArray[Any]

NAMES = ("train", "dev", "test")
TRAIN, DEV, TEST, OUT = 0, 1, 2, 3
SMALL = 1000  # rows below which `exact: auto` deals exact shares: the guide wants small data balanced
LISTED = 20  # purged rows that the manifest names
PART = "__part__"


@dataclass(frozen=True)
class Plan:
    """What is asked of the split, in terms of this table."""

    data: pl.LazyFrame
    params: Params

    @cached_property
    def schema(self) -> pl.Schema:
        return self.data.collect_schema()

    @cached_property
    def rows(self) -> int:
        return int(table.stream(self.data.select(pl.len())).item())

    @property
    def columns(self) -> Mapping[str, Params]:
        return self.params["columns"] or {}

    @property
    def target(self) -> str | None:
        return (self.params.get("task") or {}).get("target")

    @property
    def classifies(self) -> bool:
        return (self.params.get("task") or {}).get("kind") == "classification" and self.target is not None

    @property
    def seed(self) -> int:
        return int(self.params.get("seed") or 0)

    @property
    def gap(self) -> float:
        return float(self.params.get("gap") or 0)

    @cached_property
    def strategy(self) -> str:
        """The strategy asked for; left open: temporal with a time, group with a group, stratified for classes, else random."""
        asked = self.params.get("strategy") or "auto"
        if asked != "auto":
            return str(asked)
        open_choice = "stratified" if self.classifies else "random"
        return "temporal" if self.params.get("time") else "group" if self.groups else open_choice

    def _role(self, role: str) -> list[str]:
        return table.with_role(role, table.columns_of(self.schema.names()), self.columns, self.params.get("task"))

    @cached_property
    def features(self) -> list[str]:
        return [name for name in self._role("feature") if name != self.time and name not in self.groups]

    @cached_property
    def ids(self) -> list[str]:
        return self._role("id")

    @cached_property
    def groups(self) -> list[str]:
        named = self.params.get("group_by")
        names = [named] if isinstance(named, str) else list(named or self._role("group"))
        return [self._existing(name, ("splits", "group_by")) for name in names]

    @cached_property
    def time(self) -> str | None:
        """The column of time: the one named, else the one whose role it is."""
        named = self.params.get("time") or next(iter(self._role("time")), None)
        return None if named is None else self._existing(str(named), ("splits", "time"))

    def _existing(self, name: str, route: Route) -> str:
        if name not in self.schema:
            known = ", ".join(table.columns_of(self.schema.names()))
            raise Problem(Finding("unknown-column", f"the data has no column `{name}`", route, help=f"it has {known}"))
        return name

    @cached_property
    def key(self) -> list[str]:
        """The columns that identify what is dealt as one: groups, else ids, else the content of the features."""
        return (
            self.groups
            or self.ids
            or self.features
            or [name for name in table.columns_of(self.schema.names()) if name != self.target]
        )

    @cached_property
    def ratios(self) -> tuple[float, float, float]:
        asked = self.params.get("ratios") or "auto"
        if asked == "auto":
            return guide(self.rows)[0]
        train, dev, test = (float(one) for one in asked)
        if min(train, dev, test) <= 0 or abs(train + dev + test - 1) > 1e-9:
            help_text = "three shares above 0 that add up to 1, such as [0.7, 0.15, 0.15]"
            raise Problem(
                Finding(
                    "bad-ratios", f"{list(asked)} are not the shares of train, dev and test", ("splits", "ratios"), help=help_text
                )
            )
        return train, dev, test

    @property
    def rule(self) -> str:
        return guide(self.rows)[1] if (self.params.get("ratios") or "auto") == "auto" else "given"

    @property
    def exact(self) -> bool:
        asked = self.params.get("exact")
        if asked in (None, "auto"):
            return self.strategy == "stratified" and self.rows < SMALL
        return bool(asked) and self.strategy != "temporal"


def guide(rows: int) -> tuple[tuple[float, float, float], str]:
    """Return the guide's shares for so many rows, and the rule in words: 1,000 and 100,000 rows both count as medium."""
    if rows < 1000:
        return (0.6, 0.2, 0.2), "guide: <1K rows -> 60/20/20"
    if rows <= 100_000:
        return (0.7, 0.15, 0.15), "guide: 1K-100K rows -> 70/15/15"
    return (0.8, 0.1, 0.1), "guide: >100K rows -> 80/10/10"


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Params) -> dict[str, Any]:
    """Write `train`, `dev`, `test` and `manifest` (strategy, key, seed, ratios, shares, purged rows, proofs).

    random, stratified, group: a key (groups, else ids, else the features) draws a lot (`identity.lots`) that is compared with
    fixed thresholds, so rows that are appended later move no row that was there, every row of a key goes the same way, and
    each class has the expected shares. `exact` cuts the lots of each class at its exact shares; appended rows may then move
    rows near a cut. `exact` left open is exact for stratified splits of fewer than 1,000 rows. When `auto` ratios change
    because the data grew, rows move to train only. temporal: train comes before dev before test, one instant never stands on
    two sides, and rows closer than `gap` before a cut are left out.

    Then rows of train (dev) that share features, ids or groups with rows of dev or test (test) are purged: counted, listed,
    left out. In a temporal split ids may come again, as things are measured more than once; groups may not.
    Raises Problem for a split that cannot be made: too little data, a class or a split without rows, missing times.
    """
    plan = Plan(table.scan(inputs["data"]), params)
    _refuse(plan)
    classes, codes = _classes(plan)
    key = identity.keys(plan.data, plan.key)
    part = _by_time(plan) if plan.strategy == "temporal" else _by_lot(plan, key, codes)
    left_out = int((part == OUT).sum())
    purged = _purge(plan, key, part)
    _complete(plan, part, codes, classes)
    _write(plan, part, outputs)
    manifest = _manifest(plan, key, part, outputs, classes) | {
        "purged": len(purged),
        "purged_rows": purged[:LISTED].tolist(),
        "embargoed": left_out,
    }
    write_json(outputs["manifest"], manifest)
    sizes = {name: manifest["splits"][name]["rows"] for name in NAMES}
    return {**sizes, "purged": len(purged), "embargoed": left_out, "verdict": manifest["verdict"]}


def _refuse(plan: Plan) -> None:
    if plan.strategy == "stratified" and not plan.classifies:
        help_text = "use `strategy: random`, or `temporal` for data in time"
        raise Problem(Finding("nothing-to-stratify", "only classes can be stratified", ("splits", "strategy"), help=help_text))
    if plan.strategy == "group" and not plan.groups:
        help_text = "name a column in `splits.group_by`, or give one `role: group`"
        raise Problem(Finding("no-group", "a group split needs a column of groups", ("splits", "group_by"), help=help_text))
    if plan.strategy == "temporal" and plan.time is None:
        help_text = "name a column in `splits.time`, or give one `role: time`"
        raise Problem(Finding("no-time", "a temporal split needs a column of time", ("splits", "time"), help=help_text))
    if plan.strategy not in ("random", "stratified", "group", "temporal"):
        raise Problem(Finding("unknown-strategy", f"there is no strategy `{plan.strategy}`", ("splits", "strategy")))
    if plan.target is not None and plan.target not in plan.schema:
        raise Problem(Finding("unknown-column", f"the data has no column `{plan.target}`, the target", ("task", "target")))
    if not plan.key:
        help_text = "add features, or a column with `role: id`"
        raise Problem(Finding("no-key", "nothing tells one row from another but the target", ("data", "columns"), help=help_text))
    if plan.rows < 3:
        raise Problem(
            Finding("too-few-rows", f"{plan.rows} rows cannot be split in three", ("splits",), help="collect more data")
        )


def _classes(plan: Plan) -> tuple[list[str], Array | None]:
    """Return the classes in order and each row's position among them; ([], None) where the target has none."""
    if not plan.classifies:
        return [], None
    name = str(plan.target)
    text = cast.converted(name, plan.schema[name], "string").alias("class")
    found = table.stream(plan.data.group_by(text).len("rows")).sort("class")
    if found["class"].null_count():
        missing = found.filter(pl.col("class").is_null())["rows"].item()
        help_text = "`validate` sets such rows aside; split what it gives"
        raise Problem(Finding("missing-target", f"{missing} rows have no `{name}`", ("task", "target"), help=help_text))
    few = found.filter(pl.col("rows") < 3)
    if few.height:
        shown = ", ".join(f"{label!r} ({rows})" for label, rows in few.head(5).rows())
        message = f"{few.height} of {found.height} classes have fewer than the three rows a split needs: {shown}"
        help_text = "merge rare classes, collect more rows of them, or use `kind: regression` for a quantity"
        raise Problem(Finding("class-too-small", message, ("task", "target"), help=help_text))
    classes = found["class"].to_list()
    enum = pl.Enum(classes)
    return classes, table.stream(plan.data.select(text.cast(enum).to_physical().cast(pl.UInt32)))["class"].to_numpy()


def _by_lot(plan: Plan, key: Hashes, codes: Array | None) -> Array:
    lots = identity.lots(key, plan.seed)
    if plan.exact:
        return _exactly(plan, key, lots, codes if plan.strategy == "stratified" else None)
    _, dev, test = plan.ratios
    part = np.zeros(len(lots), dtype=np.uint8)
    # test at the low end, dev at the high end: where the shares of both shrink, rows move to train and nowhere else
    part[lots < np.uint64(int(test * 2**64))] = TEST
    part[lots >= np.uint64(2**64 - int(dev * 2**64))] = DEV
    return part


def _exactly(plan: Plan, key: Hashes, lots: Hashes, codes: Array | None) -> Array:
    """Cut the sorted lots of each class at its shares; rows of one key, which have one lot, stay together."""
    part = np.zeros(len(lots), dtype=np.uint8)
    owner = np.zeros(len(lots), dtype=np.uint32) if codes is None else _class_of_key(key, codes)
    _, dev, test = plan.ratios
    for code in np.unique(owner):
        rows = np.flatnonzero(owner == code)
        ordered = np.sort(lots[rows])
        low, high = _cut(ordered, len(rows) * test), _cut(ordered, len(rows) * (1 - dev))
        mine = np.zeros(len(rows), dtype=np.uint8)
        mine[lots[rows] >= ordered[min(high, len(rows) - 1)]] = DEV
        mine[lots[rows] < ordered[low]] = TEST
        part[rows] = mine
    return part


def _class_of_key(key: Hashes, codes: Array) -> Array:
    """Return for each row the class that most rows of its key have, the first one where two are as frequent."""
    pairs = pl.LazyFrame({"key": key, "code": codes}).group_by("key", "code").len("rows")
    most = pairs.sort(["rows", "code"], descending=[True, False]).unique("key", keep="first", maintain_order=True).collect()
    rows = pl.DataFrame({"key": key}).join(most, on="key", how="left", maintain_order="left")
    codes_of_rows: Array = rows["code"].to_numpy()
    return codes_of_rows


def _cut(ordered: Array, wanted: float) -> int:
    """Return the position nearest to `wanted` at which the values change, after the first value and before the last."""
    if ordered[0] == ordered[-1]:
        return 0
    place = min(max(int(wanted + 0.5), 1), len(ordered) - 1)
    left, right = (int(np.searchsorted(ordered, ordered[place], side)) for side in ("left", "right"))
    return left if left > 0 and (place - left <= right - place or right == len(ordered)) else right


def _by_time(plan: Plan) -> Array:
    name = str(plan.time)
    dtype = plan.schema[name]
    if not (dtype.is_numeric() or dtype in (pl.Date, pl.Datetime)):
        help_text = f"declare it: `data.columns.{name}: {{type: datetime}}`; texts must be ISO, such as 2026-11-30T12:00:00"
        raise Problem(
            Finding("not-a-time", f"`{name}` holds {cast.name_of(dtype)}, not times", ("splits", "time"), help=help_text)
        )
    times = table.stream(plan.data.select(cast.moments(name, dtype)))[name]
    if times.null_count():
        help_text = "set such rows aside: declare the column `nullable: false` with `data.on_failure: quarantine`"
        raise Problem(Finding("missing-time", f"{times.null_count()} rows have no `{name}`", ("splits", "time"), help=help_text))
    time = times.to_numpy()
    train, dev, _ = plan.ratios
    ordered = np.sort(time)
    low = _cut(ordered, len(time) * train)
    high = low + _cut(ordered[low:], len(time) * (train + dev) - low)
    if not 0 < low < high < len(time):
        message = f"`{name}` has too few different times to cut it in three"
        raise Problem(Finding("too-few-times", message, ("splits", "time"), help="use a finer time, or another strategy"))
    first_dev, first_test, gap = ordered[low], ordered[high], plan.gap * cast.per_second(dtype)
    part = np.full(len(time), OUT, dtype=np.uint8)
    part[first_dev - time > gap] = TRAIN
    part[(time >= first_dev) & (first_test - time > gap)] = DEV
    part[time >= first_test] = TEST
    return part


def _fingerprints(data: pl.LazyFrame, columns: Sequence[str]) -> pl.Series:
    return table.stream(data.select(identity.prints(columns).alias("hash")))["hash"]


def _kept_apart(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    """Yield (what, columns): rows with the same values in them must not stand in two splits."""
    if plan.features:
        yield "duplicates", plan.features
    if plan.ids and (plan.strategy != "temporal"):
        yield "ids", plan.ids
    if plan.groups:
        yield "groups", plan.groups


def _purge(plan: Plan, key: Hashes, part: Array) -> Array:
    """Take rows out of train and dev that share something with a later split; return their row numbers, in order."""
    before = part == OUT
    for _, columns in _kept_apart(plan):
        if columns == plan.key and plan.strategy != "temporal":
            continue  # what shares a key was dealt as one
        prints = pl.Series(key) if columns == plan.key else _fingerprints(plan.data, columns)
        part[_shares(prints, part, DEV, (TEST,))] = OUT
        part[_shares(prints, part, TRAIN, (DEV, TEST))] = OUT
    gone = (part == OUT) & ~before
    if not gone.any():
        return np.empty(0, dtype=np.uint64)
    named = table.stream(_with_part(plan, gone.astype(np.uint8)).filter(pl.col(PART) == 1).select(table.ROW))
    numbers: Array = named[table.ROW].sort().to_numpy()
    return numbers


def _shares(prints: pl.Series, part: Array, here: int, there: Sequence[int]) -> Array:
    """Return the positions of rows in one part whose fingerprint occurs in others."""
    others = prints.filter(pl.Series(np.isin(part, there))).unique()
    rows = np.flatnonzero(part == here)
    shared: Array = rows[prints.gather(rows).is_in(others.implode()).to_numpy()]
    return shared


def _complete(plan: Plan, part: Array, codes: Array | None, classes: Sequence[str]) -> None:
    """Raise Problem where a split is empty or lacks a class."""
    faults = []
    for number, name in enumerate(NAMES):
        rows = part == number
        if not rows.any():
            faults.append(Finding("empty-split", f"{name} would be empty", ("splits",), help=_more(plan)))
        elif codes is not None:
            seen = np.bincount(codes[rows], minlength=len(classes))
            absent = [label for label, count in zip(classes, seen, strict=True) if count == 0]
            if absent:
                message = (
                    f"{name} would have no row of {len(absent)} of {len(classes)} classes: {', '.join(map(repr, absent[:5]))}"
                )
                faults.append(Finding("class-missing", message, ("splits",), help=_more(plan)))
    if faults:
        raise Problem(*faults)


def _more(plan: Plan) -> str:
    if plan.strategy == "temporal":
        return "use other ratios or a smaller gap, or collect data over a longer time"
    if plan.groups:
        return f"there are few groups of {', '.join(plan.groups)}: use other ratios or another seed, or collect more groups"
    if not plan.exact:
        return "deal exact shares of each class with `strategy: stratified` and `exact: true`, or collect more rows"
    return "collect more rows, merge rare classes, or add features that tell rows apart"


def _with_part(plan: Plan, part: Array) -> pl.LazyFrame:
    return pl.concat([plan.data, pl.DataFrame({PART: part}).lazy()], how="horizontal")


def _write(plan: Plan, part: Array, outputs: Mapping[str, Path]) -> None:
    dealt = _with_part(plan, part)
    for number, name in enumerate(NAMES):  # one after the other: together they need half as much memory again (measured)
        table.write(dealt.filter(pl.col(PART) == number).drop(PART), outputs[name])


def _manifest(plan: Plan, key: Hashes, part: Array, outputs: Mapping[str, Path], classes: Sequence[str]) -> dict[str, Any]:
    written = {name: table.scan(outputs[name]) for name in NAMES}
    splits = {name: _described(plan, frame, key[part == number]) for number, (name, frame) in enumerate(written.items())}
    total = sum(one["rows"] for one in splits.values())
    for one in splits.values():
        one["share"] = one["rows"] / total
    proofs = list(_proofs(plan, written, splits, classes))
    for one in splits.values():
        counts = one.pop("counts")
        one["classes"] = {label: counts.get(label, 0) / one["rows"] for label in classes} if plan.classifies else None
        one["first"], one["last"] = (_iso(one.pop(end)) for end in ("earliest", "latest"))
    return {
        "strategy": plan.strategy,
        "key": plan.key if plan.groups or plan.ids else ["content"],
        "key_columns": sorted(plan.key),
        "seed": plan.seed,
        "ratios": list(plan.ratios),
        "rule": plan.rule,
        "exact": plan.exact,
        "splits": splits,
        "proofs": proofs,
        "verdict": "fail" if any(proof["verdict"] == "fail" for proof in proofs) else "pass",
    }


def _described(plan: Plan, frame: pl.LazyFrame, key: Hashes) -> dict[str, Any]:
    ends = [] if plan.time is None else [pl.col(plan.time).min().alias("earliest"), pl.col(plan.time).max().alias("latest")]
    found = table.stream(frame.select(pl.len().alias("rows"), *ends)).row(0, named=True)
    counts = {}
    if plan.classifies:
        name = str(plan.target)
        text = cast.converted(name, plan.schema[name], "string").alias("class")
        counts = dict(table.stream(frame.group_by(text).len("rows")).rows())
    return {"earliest": None, "latest": None, **found, "sha256": identity.digest(key), "counts": counts}


def _iso(moment: Any) -> Any:
    return moment.isoformat() if isinstance(moment, dt.date) else moment


def _proofs(
    plan: Plan, written: Mapping[str, pl.LazyFrame], splits: Mapping[str, Mapping[str, Any]], classes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield each proof, computed on the tables that were written."""
    apart = dict(_kept_apart(plan))
    total = sum(int(one["rows"]) for one in splits.values())
    words = {"ids": "id", "groups": "group", "duplicates": "combination of features"}
    absent = {
        "ids": "an id may come again in time" if plan.ids else "no column has the role id",
        "groups": "no groups are declared",
        "duplicates": "there are no features",
    }
    for what, word in words.items():
        if what not in apart:
            yield _proof(f"no-shared-{what}", None, 0, 0, absent[what])
            continue
        found = _shared(written, plan.schema, apart[what])
        statement = f"{found:,} of {total:,} rows share their {word} with a row of another split"
        yield _proof(f"no-shared-{what}", found == 0, total, found, statement)
    yield _in_order(plan, splits)
    yield _balanced(plan, splits, classes)


def _proof(name: str, holds: bool | None, checked: int, found: int, statement: str) -> dict[str, Any]:
    verdict = "not_applicable" if holds is None else "pass" if holds else "fail"
    return {"id": name, "verdict": verdict, "checked": checked, "found": found, "statement": statement}


def _shared(written: Mapping[str, pl.LazyFrame], schema: pl.Schema, columns: Sequence[str]) -> int:
    """Count the rows of train that share the columns' values with dev or test, and those of dev that do with test.

    Rows that differ in a few columns differ: where no two splits share even the values of four, the others need not be read.
    """
    telling = sorted(columns, key=lambda name: (not schema[name].is_float(), not schema[name].is_integer()))[:4]
    if len(telling) < len(columns) and _meetings(written, telling) == 0:
        return 0
    return _meetings(written, columns)


def _meetings(written: Mapping[str, pl.LazyFrame], columns: Sequence[str]) -> int:
    train, dev, test = (_fingerprints(written[name], columns) for name in NAMES)
    later = pl.concat([dev, test]).unique().implode()
    return int(train.is_in(later).sum()) + int(dev.is_in(test.unique().implode()).sum())


def _in_order(plan: Plan, splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if plan.strategy != "temporal":
        return _proof("no-time-overlap", None, 0, 0, "the split does not go by time")
    steps = [(splits[a]["latest"], splits[b]["earliest"]) for a, b in (("train", "dev"), ("dev", "test"))]
    overlaps = sum(not _seconds(later) - _seconds(earlier) > plan.gap for earlier, later in steps)
    (train, dev), (last_dev, test) = ((_iso(a), _iso(b)) for a, b in steps)
    gap = f", with more than {plan.gap:g} s between them" if plan.gap else ""
    statement = f"train ends at {train}, dev runs from {dev} to {last_dev}, test begins at {test}{gap}"
    return _proof("no-time-overlap", overlaps == 0, sum(int(one["rows"]) for one in splits.values()), overlaps, statement)


def _seconds(moment: Any) -> float:
    if isinstance(moment, dt.datetime):
        return (moment - dt.datetime(1970, 1, 1, tzinfo=moment.tzinfo)) / dt.timedelta(seconds=1)
    return moment.toordinal() * 86_400.0 if isinstance(moment, dt.date) else float(moment)


def _balanced(plan: Plan, splits: Mapping[str, Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """Check each class's share in each split against its share in all.

    Lots allow four standard errors (6 in 100,000 by chance); exact shares allow two rows, as a purge and rounding move a few.
    """
    if not plan.classifies:
        return _proof("class-balance", None, 0, 0, "the target has no classes")
    if plan.strategy == "temporal" or plan.groups:
        return _proof(
            "class-balance", None, 0, 0, f"classes fall as {'time' if plan.strategy == 'temporal' else 'the groups'} has them"
        )
    total = sum(int(one["rows"]) for one in splits.values())
    worst, found, checked = (0.0, ""), 0, 0
    for label in classes:
        share = sum(one["counts"].get(label, 0) for one in splits.values()) / total
        for name, one in splits.items():
            rows = int(one["rows"])
            off = abs(one["counts"].get(label, 0) / rows - share)
            allowed = 2 / rows if plan.exact else 4 * (share * (1 - share) / rows) ** 0.5 + 1 / rows
            checked, found = checked + 1, found + (off > allowed)
            worst = max(worst, (off, f"{label!r} in {name}"))
    statement = f"the share of a class differs from its share in all rows by at most {worst[0]:.2%}" + (
        f" ({worst[1]})" if worst[1] else ""
    )
    return _proof("class-balance", found == 0, checked, found, statement)
