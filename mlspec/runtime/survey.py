"""Survey: what the rows behind a spec say of it, read, checked and split as a run would, for `mlspec lint --data`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import cast, identity, ingest, profiling, split, table, validate
from mlspec.runtime.artifact import finite, read_json

Params = Mapping[str, Any]
Facts = dict[str, Any]
Array = NDArray[Any]

SAMPLE = 100_000
"""Rows of a larger table that single features are judged on: every k-th."""

FEW_VALUES = 50
"""A number with at most so many values is also judged as a category: its order may say nothing."""

LEAST = 10
"""A class with fewer rows is left out where features are judged."""

CLASSES = 1_000
MOSTLY = 0.5  # a text column of which more than this share reads as a number
SHOWN = 5
PARTS = ("train", "dev", "test")


def survey(steps: Mapping[str, Params], data_root: Path) -> tuple[Facts | None, list[Finding]]:
    """Return facts about the rows, as plain data, and what a run would stop at; no facts where the rows cannot be read.

    `steps` are the params of the steps ingest, validate and split. Facts: rows, columns {name: type, missing, distinct, zeros,
    min, max, top, auc}, duplicates (rows that repeat an earlier one, ids aside), classes, absent (declared columns that no source
    has), numbers_in_text, checks (those that fail), kept (rows that pass), parts {train, dev, test: rows, first, last, classes}
    and purged. Values of personal columns are not told. Nothing is kept on disk.
    """
    with tempfile.TemporaryDirectory(prefix="mlspec-survey-") as folder:
        return _Survey(Path(folder), {name: dict(params) for name, params in steps.items()}, data_root).look()


class _Survey:
    """One survey, with the tables it writes on the way."""

    def __init__(self, folder: Path, steps: dict[str, dict[str, Any]], data_root: Path) -> None:
        self.folder, self.steps = folder, steps
        self.steps["ingest"]["data_root"] = str(data_root)
        self.absent: list[str] = []
        self.findings: list[Finding] = []

    @property
    def task(self) -> Params:
        return self.steps["split"].get("task") or {}

    @property
    def target(self) -> str:
        return str(self.task.get("target") or "")

    @property
    def columns(self) -> Mapping[str, Params]:
        return self.steps["ingest"]["columns"] or {}

    def look(self) -> tuple[Facts | None, list[Finding]]:
        if not self._read():
            return None, self.findings
        data = table.scan(self.folder / "data")
        described = read_json(self.folder / "profile")
        facts: Facts = {"rows": described["rows"], "absent": self.absent, "checks": [], "kept": described["rows"]}
        facts["columns"] = self._columns(data, described["columns"])
        facts["duplicates"] = self._duplicates(data)
        facts["classes"] = self._classes(data)
        facts["numbers_in_text"] = self._numbers_in_text(data)
        facts |= {"parts": {}, "purged": 0}
        if not set(self.absent) & self._needed():
            facts |= self._checked()
            facts |= self._split()
        return facts, self.findings

    def _read(self) -> bool:
        """Ingest the sources; declared columns that they lack are noted and left aside."""
        while True:
            try:
                outputs = {name: self.folder / name for name in ("data", "profile")}
                ingest.run({}, outputs, self.steps["ingest"])
            except Problem as problem:
                unknown = [str(fault.route[-1]) for fault in problem.faults if isinstance(fault, Finding) and _is_declared(fault)]
                if len(unknown) < len(problem.faults) or not unknown:
                    self._stopped(problem)
                    return False
                self.absent += unknown
                for params in (one for one in self.steps.values() if "columns" in one):
                    params["columns"] = {name: one for name, one in params["columns"].items() if name not in unknown}
            else:
                return True

    def _stopped(self, problem: Problem) -> None:
        self.findings += [fault for fault in problem.faults if isinstance(fault, Finding)]

    def _needed(self) -> set[str]:
        """The columns without which rows can be neither checked nor split."""
        params = self.steps["split"]
        named = (self.task.get("target"), params.get("time"), params.get("group_by"))
        return {str(name) for name in named if name}

    def _columns(self, data: pl.LazyFrame, described: Sequence[Params]) -> dict[str, Facts]:
        schema = data.collect_schema()
        numbers = [one["name"] for one in described if schema[one["name"]].is_numeric()]
        zeros = table.stream(data.select((pl.col(name) == 0).sum() for name in numbers)).row(0, named=True) if numbers else {}
        aucs, held = self._aucs(data, schema), self._held(data, schema)
        return {
            one["name"]: {
                "type": held.get(one["name"]) or profiling.type_of(schema[one["name"]], None, one["distinct"]),
                "missing": one["missing"],
                "distinct": one["distinct"],
                "zeros": int(zeros.get(one["name"]) or 0),
                "min": one["min"],
                "max": one["max"],
                "top": (one["top"] or [])[:SHOWN],
                "auc": aucs.get(one["name"]),
            }
            for one in described
        }

    def _held(self, data: pl.LazyFrame, schema: pl.Schema) -> dict[str, str]:
        """Return what columns hold that are text only because a value is not of their declared type."""
        broken = [name for name, one in self.columns.items() if name in schema and schema[name] == pl.String and one.get("type")]
        broken = [name for name in broken if self.columns[name]["type"] not in ("string", "category")]
        if not broken:
            return {}
        columns = data.select(pl.col(name).cast(pl.String) for name in broken)
        return {name: str(one.type) for name, one in cast.survey(columns, {}).items() if one.type not in (None, "string")}

    def _duplicates(self, data: pl.LazyFrame) -> int:
        """Count the rows that repeat an earlier one in every column but the ids."""
        names = [name for name in table.columns_of(data.collect_schema().names()) if self._role(name) != "id"]
        if not names:
            return 0
        found = table.stream(data.select(pl.len().alias("rows"), identity.prints(names).n_unique().alias("distinct")))
        return int(found["rows"][0] - found["distinct"][0])

    def _role(self, name: str) -> str:
        return table.role_of(name, self.columns, self.task)

    def _classes(self, data: pl.LazyFrame) -> dict[str, int] | None:
        target, schema = self.target, data.collect_schema()
        if self.task.get("kind") != "classification" or target not in schema:
            return None
        text = cast.converted(target, schema[target], "string").alias("class")
        found = table.stream(data.select(text).drop_nulls().group_by("class").len("rows")).sort("class")
        return dict(found.rows()) if found.height <= CLASSES else None

    def _numbers_in_text(self, data: pl.LazyFrame) -> dict[str, Facts]:
        """Find columns of text that are numbers but for a few words: what share is, and what the others say."""
        schema = data.collect_schema()
        found = {}
        for name in (
            one for one, dtype in schema.items() if dtype == pl.String and self.columns.get(one, {}).get("type") is None
        ):
            text = cast.present(pl.col(name))
            words = data.select(text.alias("word")).drop_nulls()
            numeric = cast.parsed(pl.col("word"), "number").is_not_null()
            counted = table.stream(words.select(pl.len().alias("rows"), numeric.sum().alias("numbers")))
            rows, numbers = int(counted["rows"][0]), int(counted["numbers"][0])
            if not MOSTLY * rows < numbers < rows:
                continue
            others = table.stream(words.filter(~numeric).group_by("word").len("rows")).sort(
                ["rows", "word"], descending=[True, False]
            )
            hidden = bool(self.columns.get(name, {}).get("pii"))
            listed = [] if hidden else others["word"].head(SHOWN).to_list()
            found[name] = {"share": numbers / rows, "others": listed, "words": others.height}
        return found

    def _checked(self) -> Facts:
        """Hold the rows against the schema and the checks; tell those that fail."""
        outputs = {"data": self.folder / "kept", "quarantine": self.folder / "quarantine", "report": self.folder / "report"}
        try:
            validate.run({"data": self.folder / "data"}, outputs, self.steps["validate"])
        except Problem as problem:
            self._stopped(problem)
            return {}
        report = read_json(self.folder / "report")
        failed = [one for one in report["checks"] if one["verdict"] == "fail"]
        return {"checks": failed, "kept": report["kept"]}

    def _split(self) -> Facts:
        """Split the rows as a run would, or tell why it could not."""
        kept = self.folder / "kept"
        outputs = {name: self.folder / name for name in (*PARTS, "manifest")}
        try:
            split.run({"data": kept if kept.exists() else self.folder / "data"}, outputs, self.steps["split"])
        except Problem as problem:
            self._stopped(problem)
            return {}
        manifest = read_json(self.folder / "manifest")
        parts = {name: self._part(manifest["splits"][name]) for name in PARTS}
        return {"parts": parts, "purged": manifest["purged"]}

    @staticmethod
    def _part(told: Params) -> Facts:
        classes = {label: round(share * told["rows"]) for label, share in (told["classes"] or {}).items()}
        return {"rows": told["rows"], "first": told["first"], "last": told["last"], "classes": classes or None}

    def _aucs(self, data: pl.LazyFrame, schema: pl.Schema) -> dict[str, float]:
        """Judge each feature alone; see `separation`."""
        target, kind = self.target, str(self.task.get("kind"))
        if target not in schema or kind not in ("classification", "regression"):
            return {}
        rows = int(table.stream(data.select(pl.len())).item())
        sampled = data.filter(pl.col(table.ROW) % -(-rows // SAMPLE) == 0) if rows > SAMPLE else data
        typed = cast.converted(target, schema[target], "string" if kind == "classification" else "number").alias(table.REASON)
        names = [name for name in table.columns_of(schema.names()) if self._role(name) in ("feature", "time")]
        frame = table.stream(sampled.select(*names, typed)).drop_nulls(table.REASON)
        truths = _truths(frame[table.REASON], kind)
        return {name: value for name in names if (value := separation(frame[name], truths, kind)) is not None}


def _is_declared(fault: Finding) -> bool:
    return fault.code == "unknown-column" and fault.route[:2] == ("data", "columns") and len(fault.route) == 3


def _truths(target: pl.Series, kind: str) -> list[Array]:
    """Return what a feature is judged against: the numbers' ranks, or for each class (of two, the second) who is of it."""
    if kind == "regression":
        return [target.rank().to_numpy()] if target.len() >= 3 and target.n_unique() > 1 else []
    counts = target.value_counts().sort(target.name)
    labels = [label for label, rows in counts.rows() if rows >= LEAST]
    if len(labels) < 2:
        return []
    wanted = labels[1:] if counts.height == 2 else labels[:CLASSES]
    return [(target == label).to_numpy() for label in wanted]


def separation(feature: pl.Series, truths: Sequence[Array], kind: str) -> float | None:
    """Return how well a feature alone tells the target, from 0.5 (not at all) to 1; None where nothing can be said.

    Two classes: the area under its ROC curve, either way round. More: the mean of each class against the others, so that a
    feature that knows one class alone stays below 1. A number: (1 + |Spearman's rho|) / 2. Missing values count as lower than
    all, or higher, whichever tells more. A category scores by the mean target of its value, learned on one half of the rows and
    tried on the other, so that a column of ids tells nothing; a number with few values is judged both ways. Nothing is said of
    arrays: no number of theirs is a feature by itself.
    """
    if not truths or feature.null_count() == feature.len() or cast.is_array(feature.dtype):
        return None
    measured = feature.dtype.is_numeric() or feature.dtype.is_temporal()
    found = [_by_order(feature, truths, kind)] if measured else []
    if not measured or feature.n_unique() <= FEW_VALUES:
        found.append(_by_value(feature, truths, kind))
    best = finite(max(found))
    return None if best is None else round(best, 6)


def _by_order(feature: pl.Series, truths: Sequence[Array], kind: str) -> float:
    numbers = feature.to_physical().cast(pl.Float64)
    ends = (float("-inf"), float("inf")) if feature.null_count() else (0.0,)
    ranked = [numbers.fill_null(end).rank().to_numpy() for end in ends]
    return max(float(np.mean([_folded(ranks, truth, kind) for truth in truths])) for ranks in ranked)


def _folded(ranks: Array, truth: Array, kind: str) -> float:
    value = _agreement(ranks, truth, kind)
    return max(value, 1 - value)


def _agreement(ranks: Array, truth: Array, kind: str) -> float:
    """Return the area under the ROC curve, or Spearman's rho moved to 0 to 1."""
    if kind == "regression":
        spread = float(np.std(ranks)) * float(np.std(truth))
        return 0.5 if spread == 0 else (1 + float(np.mean((ranks - ranks.mean()) * (truth - truth.mean()))) / spread) / 2
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return 0.5
    return (float(ranks[truth].sum()) - positives * (positives + 1) / 2) / (positives * negatives)


def _by_value(feature: pl.Series, truths: Sequence[Array], kind: str) -> float:
    _, codes = np.unique(feature.cast(pl.String).fill_null("\0").to_numpy(), return_inverse=True)
    half = np.random.default_rng(7).permutation(len(codes)) % 2 == 0
    return float(np.mean([_crosswise(codes, truth, half, kind) for truth in truths]))


def _crosswise(codes: Array, truth: Array, half: Array, kind: str) -> float:
    """Learn the mean target of each value on one half and try it on the other, both ways; new values have the mean."""
    values = []
    for learn, held in ((half, ~half), (~half, half)):
        known = truth[learn].astype(np.float64)
        mean = float(known.mean()) if len(known) else 0.0
        size = int(codes.max()) + 1
        sums, counts = (np.bincount(codes[learn], weights=weights, minlength=size) for weights in (known, np.ones_like(known)))
        scores = (sums + mean) / (counts + 1)
        ranks = pl.Series(scores[codes[held]]).rank().to_numpy()
        values.append(_agreement(ranks, pl.Series(truth[held]).rank().to_numpy() if kind == "regression" else truth[held], kind))
    return max(0.5, float(np.mean(values)))
