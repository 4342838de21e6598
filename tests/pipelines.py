"""Pipelines built by hand, for tests of what stands above or beside the lowering."""

from __future__ import annotations

from typing import Any

from mlspec import ops
from mlspec.ir import Parameter, Pipeline, Ref, Schedule, Stage, Step

TASK = {"kind": "classification", "target": "target", "positive": "malignant"}
PARAMETERS = (
    Parameter("data_root", ".", "Directory that the paths of the data sources are relative to."),
    Parameter("registry_root", "registry", "Directory of the model registry."),
)


def breast_cancer(target: float = 0.9, metric: str = "roc_auc", **options: Any) -> Pipeline:
    """scikit-learn's breast cancer data through every op; the gate passes at 0.9 and cannot at 1.1. `options` go to Pipeline."""
    route = ("requirements", "metrics", 0, "target")
    requirement = {
        "id": metric,
        "kind": "metric",
        "metric": metric,
        "op": ">=",
        "value": target,
        "route": list(route),
        "supports": None,
        "primary": True,
    }
    columns: dict[str, Any] = {"target": {"role": "target", "type": "category"}}
    model = {"kind": "sklearn.logistic_regression", "params": {}}
    dummy = {"kind": "sklearn.dummy", "params": {}}
    modeling, data, deployment = Stage.MODELING, Stage.DATA, Stage.DEPLOYMENT
    evaluate = {
        "task": TASK, "columns": columns, "metrics": [metric] if metric == "roc_auc" else [], "slices": [], "fairness": None, "seed": 7, "confidence": 0.95,
        "group_by": None, "custom_metrics": {}, "threshold": 0.5,
    }  # fmt: skip
    scored = {"train": Ref("split", "train"), "dev": Ref("split", "dev"), "test": Ref("split", "test")}
    steps = (
        Step(
            id="ingest", op=ops.INGEST, stage=data, routes=(("data", "sources"),), retries=2, bindings={"data_root": "data_root"},
            params={"sources": {"patients": {"kind": "sklearn", "dataset": "breast_cancer"}}, "join": [], "union": None, "columns": columns, "data_root": "."},
        ),
        Step(
            id="validate", op=ops.VALIDATE, stage=data, routes=(("data", "columns"),), inputs={"data": Ref("ingest", "data")},
            params={"columns": columns, "checks": [{"kind": "missing", "columns": None, "max": 0.05}], "on_failure": "stop", "task": TASK},
        ),
        Step(id="check_data", op=ops.GATE, stage=data, routes=(("data", "on_failure"),), inputs={"decision": Ref("validate", "report")}, params={"subject": "data"}),
        Step(
            id="split", op=ops.SPLIT, stage=data, routes=(("splits",),), inputs={"data": Ref("validate", "data"), "gate": Ref("check_data", "report")},
            params={"strategy": "stratified", "ratios": "auto", "group_by": None, "time": None, "gap": 0.0, "seed": 7, "exact": True, "columns": columns, "task": TASK},
        ),
        Step(
            id="featurize", op=ops.FEATURIZE, stage=modeling, routes=(("features",),), inputs={"train": Ref("split", "train")},
            params={"transforms": [{"kind": "scale"}], "columns": columns, "task": TASK, "seed": 7, "model": model},
        ),
        Step(
            id="train", op=ops.TRAIN, stage=modeling, routes=(("model",),), timeout=600.0, retries=1,
            inputs={"features": Ref("featurize", "features"), "transformer": Ref("featurize", "transformer")}, params={"model": model, "task": TASK, "seed": 7, "columns": columns},
        ),
        Step(
            id="train_baseline", op=ops.TRAIN, stage=modeling, routes=(("baseline",),),
            inputs={"features": Ref("featurize", "features"), "transformer": Ref("featurize", "transformer")}, params={"model": dummy, "task": TASK, "seed": 7, "columns": columns},
        ),
        Step(
            id="cross_validate", op=ops.CROSS_VALIDATE, stage=modeling, routes=(("training", "cross_validation"),), inputs={"train": Ref("split", "train")},
            params={
                "transforms": [{"kind": "scale"}], "model": model, "task": TASK, "columns": columns, "folds": 3, "seed": 7, "metrics": ["roc_auc"],
                "strategy": "stratified", "group_by": None, "time": None,
            },
        ),
        Step(id="evaluate", op=ops.EVALUATE, stage=modeling, routes=(("evaluation",),), inputs={"model": Ref("train", "model"), **scored}, params=evaluate),
        Step(id="evaluate_baseline", op=ops.EVALUATE, stage=modeling, routes=(("baseline",),), inputs={"model": Ref("train_baseline", "model"), **scored}, params=evaluate),
        Step(
            id="explain", op=ops.EXPLAIN, stage=modeling, routes=(("evaluation", "explain"),), inputs={"model": Ref("train", "model"), "test": Ref("split", "test")},
            params={"task": TASK, "columns": columns, "metric": "roc_auc", "repeats": 2, "seed": 7},
        ),
        Step(
            id="decide", op=ops.DECIDE, stage=modeling, routes=(route,),
            inputs={
                "metrics": Ref("evaluate", "metrics"), "baseline": Ref("evaluate_baseline", "metrics"), "validation": Ref("validate", "report"),
                "manifest": Ref("split", "manifest"), "cross_validation": Ref("cross_validate", "report"),
            },
            params={
                "requirements": [requirement],
                "names": {
                    "metrics": "evaluate.metrics", "baseline": "evaluate_baseline.metrics", "validation": "validate.report", "manifest": "split.manifest",
                    "cross_validation": "cross_validate.report",
                },
            },
        ),
        Step(
            id="report", op=ops.REPORT_OP, stage=modeling, routes=(("project",),),
            inputs={
                "profile": Ref("ingest", "profile"), "validation": Ref("validate", "report"), "manifest": Ref("split", "manifest"), "metrics": Ref("evaluate", "metrics"),
                "curves": Ref("evaluate", "curves"), "predictions": Ref("evaluate", "predictions"), "decision": Ref("decide", "decision"),
                "baseline": Ref("evaluate_baseline", "metrics"), "cross_validation": Ref("cross_validate", "report"), "importance": Ref("explain", "importance"),
            },
            params={"about": {"name": "tumours"}, "task": TASK, "graph": {"steps": [], "edges": []}, "spec": {}},
        ),
        Step(id="gate", op=ops.GATE, stage=modeling, routes=(route,), inputs={"decision": Ref("decide", "decision")}, params={"subject": "model"}),
        Step(
            id="package", op=ops.PACKAGE_OP, stage=deployment, routes=(("project",),),
            inputs={
                "model": Ref("train", "model"), "validation": Ref("validate", "report"), "metrics": Ref("evaluate", "metrics"),
                "decision": Ref("decide", "decision"), "gate": Ref("gate", "report"),
            },
            params={"about": {"name": "tumours"}, "task": TASK, "columns": columns, "spec": {}, "transforms": [], "model": model, "entrypoints": []},
        ),
        Step(
            id="register", op=ops.REGISTER, stage=deployment, routes=(("registry",),), inputs={"package": Ref("package", "package")},
            bindings={"registry_root": "registry_root"}, params={"name": "tumours", "registry_root": "registry"},
        ),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "name": "tumours", "description": "Tell malignant from benign tumours.", "steps": steps, "parameters": PARAMETERS,
        "schedule": Schedule("0 3 * * 1", "Europe/Paris"), "about": {"owner": "ml@example.com"},
    }  # fmt: skip
    return Pipeline(**{**fields, **options})
