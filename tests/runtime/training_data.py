"""A table with everything that featurizing must stand, and the parameters of the ops that learn from it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlspec import runtime

COLUMNS: dict[str, Any] = {
    "id": {"role": "id", "type": "string", "unique": True},
    "seen": {"role": "time", "type": "date"},
    "shop": {"role": "group"},
    "note": {"role": "ignore"},
    "level": {"role": "feature", "type": "category", "values": [1, 2, 3]},
    "plan": {"role": "feature", "type": "category", "values": ["monthly", "yearly"], "nullable": False},
    "tenure": {"role": "feature", "type": "integer", "unit": "month", "min": 0, "max": 72},
    "churn": {"role": "target"},
    "spend": {"role": "feature"},
}
CLASSIFY = {"kind": "classification", "target": "churn", "positive": "yes"}
REGRESS = {"kind": "regression", "target": "spend", "positive": None}


def table(rows: int = 240, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    tenure = random.integers(0, 73, rows)
    plan = random.choice(["monthly", "yearly"], rows)
    cost = np.round(random.gamma(4, 15, rows), 2)
    odds = 1.2 * (plan == "monthly") - 0.05 * tenure + 0.02 * cost + random.normal(scale=0.5, size=rows)
    gap = random.uniform(size=rows) < 0.1
    return pl.DataFrame(
        {
            "__row__": pl.Series(range(rows), dtype=pl.UInt64),
            "id": [f"c{row:05d}" for row in range(rows)],
            "seen": [date(2024, 1, 1) + timedelta(days=row // 2) for row in range(rows)],
            "shop": [f"s{row % 12}" for row in range(rows)],
            "note": random.normal(size=rows),
            "tenure": tenure,
            "plan": plan,
            "level": random.integers(1, 4, rows),
            "cost": pl.Series(cost).set(pl.Series(gap), None),
            "paperless": pl.Series(random.uniform(size=rows) < 0.6),
            "city": random.choice(["Oslo", "Bergen", "Paris", None], rows, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
            "nickname": [f"n{row}" for row in range(rows)],
            "constant": ["same"] * rows,
            "empty": pl.Series([None] * rows, dtype=pl.Float64),
            "churn": np.where(odds > np.median(odds), "yes", "no"),
            "spend": np.round(tenure * cost / 10 + random.normal(size=rows), 3),
        },
        strict=False,
    )


def params(task: dict[str, Any] = CLASSIFY, model: str = "sklearn.logistic_regression", **more: Any) -> dict[str, Any]:
    """Parameters as lowering passes them; the other task's target is left out of the features."""
    other = "spend" if task is CLASSIFY else "churn"
    columns = {**COLUMNS, task["target"]: {"role": "target"}, other: {"role": "ignore"}}
    base = {"transforms": [], "columns": columns, "task": task, "seed": 7, "model": {"kind": model, "params": {}}}
    return json.loads(json.dumps({**base, **more}))


def featurized(place: Path, given: dict[str, Any], frame: pl.DataFrame | None = None) -> dict[str, Any]:
    (table() if frame is None else frame).write_parquet(place / "train")
    outputs = {"transformer": place / "transformer", "features": place / "features"}
    return runtime.run("featurize", inputs={"train": place / "train"}, outputs=outputs, params=given)


def trained(place: Path, given: dict[str, Any], frame: pl.DataFrame | None = None) -> tuple[Any, dict[str, Any]]:
    """Featurize and train; return the model and the facts of training."""
    from mlspec.runtime import pickled

    featurized(place, given, frame)
    inputs = {"features": place / "features", "transformer": place / "transformer"}
    facts = runtime.run("train", inputs=inputs, outputs={"model": place / "model"}, params=given)
    return pickled.read(place / "model"), facts


def packaged(
    place: Path, given: dict[str, Any], frame: pl.DataFrame | None = None, *, entrypoints: list[str] | None = None
) -> Path:
    """Go the whole way from a validated table to a package, with the real ops; return the package's directory."""
    (table(600) if frame is None else frame).write_parquet(place / "data")
    task, columns = given["task"], given["columns"]
    checks = [{"kind": "missing", "columns": None, "max": 1.0}]
    runtime.run(
        "validate",
        inputs={"data": place / "data"},
        outputs={"data": place / "valid", "quarantine": place / "quarantine", "report": place / "validation"},
        params={"columns": columns, "checks": checks, "on_failure": "warn", "task": task},
    )
    splits = {name: place / name for name in ("train", "dev", "test", "manifest")}
    rule = {"strategy": "auto", "ratios": [0.6, 0.2, 0.2], "group_by": None, "time": None, "gap": 0, "seed": 7, "exact": False}
    runtime.run("split", inputs={"data": place / "valid"}, outputs=splits, params={**rule, "columns": columns, "task": task})
    outputs = {"transformer": place / "transformer", "features": place / "features"}
    runtime.run("featurize", inputs={"train": place / "train"}, outputs=outputs, params=given)
    inputs = {"features": place / "features", "transformer": place / "transformer"}
    runtime.run("train", inputs=inputs, outputs={"model": place / "model"}, params=given)
    runtime.run(
        "evaluate",
        inputs={"model": place / "model", **{name: place / name for name in ("train", "dev", "test")}},
        outputs={name: place / name for name in ("metrics", "predictions", "curves")},
        params={
            "task": task,
            "columns": columns,
            "metrics": [],
            "slices": [{"column": "plan"}],
            "fairness": None,
            "seed": 7,
            "confidence": 0.95,
        },
    )
    wanted = {"classification": ("accuracy", ">=", 0.6), "regression": ("r2", ">=", 0.3)}[task["kind"]]
    requirement = {
        "id": wanted[0],
        "kind": "metric",
        "metric": wanted[0],
        "op": wanted[1],
        "value": wanted[2],
        "route": ["requirements"],
    }
    evidence = {"metrics": place / "metrics", "validation": place / "validation", "manifest": place / "manifest"}
    names = {"metrics": "evaluate.metrics", "validation": "validate.report", "manifest": "split.manifest"}
    requirements = [{**requirement, "supports": None, "primary": True}]
    runtime.run(
        "decide", inputs=evidence, outputs={"decision": place / "decision"}, params={"requirements": requirements, "names": names}
    )
    runtime.run("gate", inputs={"decision": place / "decision"}, outputs={"report": place / "gate"}, params={"subject": "model"})
    kept = {name: given[name] for name in ("task", "columns", "transforms", "model")}
    about = {"name": "churn", "version": "1.2.0", "problem": "Who leaves?", "owner": "ml@example.com"}
    runtime.run(
        "package",
        inputs={name: place / name for name in ("model", "validation", "metrics", "decision", "gate")},
        outputs={"package": place / "package"},
        params={**kept, "about": about, "spec": {"mlspec": 1, **kept}, "entrypoints": entrypoints or []},
    )
    return place / "package"
