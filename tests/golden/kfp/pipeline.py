"""breast-cancer

Radiologists want a second reading of fine-needle samples, ranked by risk.

Written by mlspec for Kubeflow Pipelines 2.17.0. `python pipeline.py` compiles it to pipeline.yaml.
A component sees nothing of this module: KFP ships the text of its function alone.
"""

import json
import os

from kfp import compiler, dsl
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Markdown,
    Metrics,
    Model,
    Output,
)

IMAGE = os.environ.get("PIPELINE_IMAGE", "breast-cancer:latest")

INGEST_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "data_root": ".",
    "join": [],
    "sources": {
        "samples": {
            "dataset": "breast_cancer",
            "description": None,
            "growth": None,
            "kind": "sklearn",
            "license": None,
            "origin": None,
            "refresh": None,
        },
    },
    "union": None,
}

VALIDATE_PARAMS = {
    "checks": [],
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "on_failure": "stop",
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
}

CHECK_DATA_PARAMS = {
    "subject": "data",
}

SPLIT_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "exact": True,
    "gap": 0.0,
    "group_by": None,
    "ratios": "auto",
    "seed": 7,
    "strategy": "stratified",
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "time": None,
}

FEATURIZE_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "model": {
        "kind": "sklearn.logistic_regression",
        "params": {
            "C": 1.0,
            "class_weight": None,
            "dual": False,
            "fit_intercept": True,
            "intercept_scaling": 1.0,
            "l1_ratio": 0.0,
            "max_iter": 1000,
            "solver": "lbfgs",
            "tol": 0.0001,
        },
    },
    "seed": 7,
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "transforms": [
        {
            "columns": None,
            "kind": "scale",
            "with": "standard",
        },
    ],
}

CROSS_VALIDATE_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "custom_metrics": {},
    "folds": 5,
    "group_by": None,
    "metrics": [
        "recall",
        "roc_auc",
    ],
    "model": {
        "kind": "sklearn.logistic_regression",
        "params": {
            "C": 1.0,
            "class_weight": None,
            "dual": False,
            "fit_intercept": True,
            "intercept_scaling": 1.0,
            "l1_ratio": 0.0,
            "max_iter": 1000,
            "solver": "lbfgs",
            "tol": 0.0001,
        },
    },
    "seed": 7,
    "strategy": "stratified",
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "threshold": 0.5,
    "time": None,
    "transforms": [
        {
            "columns": None,
            "kind": "scale",
            "with": "standard",
        },
    ],
}

TRAIN_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "model": {
        "kind": "sklearn.logistic_regression",
        "params": {
            "C": 1.0,
            "class_weight": None,
            "dual": False,
            "fit_intercept": True,
            "intercept_scaling": 1.0,
            "l1_ratio": 0.0,
            "max_iter": 1000,
            "solver": "lbfgs",
            "tol": 0.0001,
        },
    },
    "seed": 7,
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
}

TRAIN_BASELINE_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "model": {
        "kind": "sklearn.dummy",
        "params": {
            "strategy": "prior",
        },
    },
    "seed": 7,
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
}

EVALUATE_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "confidence": 0.95,
    "custom_metrics": {},
    "fairness": None,
    "group_by": None,
    "metrics": [
        "recall",
        "roc_auc",
    ],
    "seed": 7,
    "slices": [],
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "threshold": 0.5,
    "time": None,
}

EVALUATE_BASELINE_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "confidence": 0.95,
    "custom_metrics": {},
    "fairness": None,
    "group_by": None,
    "metrics": [
        "recall",
        "roc_auc",
    ],
    "seed": 7,
    "slices": [],
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "threshold": 0.5,
    "time": None,
}

EXPLAIN_PARAMS = {
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "custom_metrics": {},
    "metric": "roc_auc",
    "repeats": 5,
    "seed": 7,
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "threshold": 0.5,
}

DECIDE_PARAMS = {
    "names": {
        "baseline": "evaluate_baseline.metrics",
        "cross_validation": "cross_validate.report",
        "manifest": "split.manifest",
        "metrics": "evaluate.metrics",
        "validation": "validate.report",
    },
    "requirements": [
        {
            "id": "roc_auc",
            "kind": "metric",
            "metric": "roc_auc",
            "op": ">=",
            "primary": True,
            "route": [
                "requirements",
                "metrics",
                0,
                "target",
            ],
            "supports": None,
            "value": 0.99,
        },
        {
            "id": "recall",
            "kind": "metric",
            "metric": "recall",
            "op": ">=",
            "primary": False,
            "route": [
                "requirements",
                "metrics",
                1,
                "target",
            ],
            "supports": None,
            "value": 0.94,
        },
        {
            "id": "data",
            "kind": "data",
            "route": [
                "data",
            ],
        },
        {
            "id": "split",
            "kind": "split",
            "route": [
                "splits",
            ],
        },
    ],
}

REPORT_PARAMS = {
    "about": {
        "name": "breast-cancer",
        "phase": "proof_of_concept",
        "problem": "Radiologists want a second reading of fine-needle samples, ranked by risk.",
        "version": "0.1.0",
    },
    "graph": {
        "edges": [
            [
                "ingest",
                "validate",
            ],
            [
                "validate",
                "check_data",
            ],
            [
                "check_data",
                "split",
            ],
            [
                "validate",
                "split",
            ],
            [
                "split",
                "featurize",
            ],
            [
                "featurize",
                "train",
            ],
            [
                "featurize",
                "train_baseline",
            ],
            [
                "split",
                "cross_validate",
            ],
            [
                "split",
                "evaluate",
            ],
            [
                "train",
                "evaluate",
            ],
            [
                "split",
                "evaluate_baseline",
            ],
            [
                "train_baseline",
                "evaluate_baseline",
            ],
            [
                "cross_validate",
                "decide",
            ],
            [
                "evaluate",
                "decide",
            ],
            [
                "evaluate_baseline",
                "decide",
            ],
            [
                "split",
                "decide",
            ],
            [
                "validate",
                "decide",
            ],
            [
                "split",
                "explain",
            ],
            [
                "train",
                "explain",
            ],
            [
                "cross_validate",
                "report",
            ],
            [
                "decide",
                "report",
            ],
            [
                "evaluate",
                "report",
            ],
            [
                "evaluate_baseline",
                "report",
            ],
            [
                "explain",
                "report",
            ],
            [
                "ingest",
                "report",
            ],
            [
                "split",
                "report",
            ],
            [
                "validate",
                "report",
            ],
            [
                "decide",
                "gate",
            ],
            [
                "decide",
                "package",
            ],
            [
                "evaluate",
                "package",
            ],
            [
                "gate",
                "package",
            ],
            [
                "train",
                "package",
            ],
            [
                "validate",
                "package",
            ],
            [
                "package",
                "register",
            ],
        ],
        "steps": [
            {
                "id": "ingest",
                "op": "ingest",
                "stage": "data",
                "summary": "Read every source, combine them, and write one typed table.",
            },
            {
                "id": "validate",
                "op": "validate",
                "stage": "data",
                "summary": "Check every row against the schema and the checks; set failing rows aside.",
            },
            {
                "id": "check_data",
                "op": "gate",
                "stage": "data",
                "summary": "Fail the run unless the verdict it is given is a pass.",
            },
            {
                "id": "split",
                "op": "split",
                "stage": "data",
                "summary": "Deal the rows to train, dev and test by identity, and prove that nothing leaks between them.",
            },
            {
                "id": "featurize",
                "op": "featurize",
                "stage": "modeling",
                "summary": "Fit the feature transforms on the training rows and apply them.",
            },
            {
                "id": "train",
                "op": "train",
                "stage": "modeling",
                "summary": "Fit the model on the training features and join it to the transformer that makes them.",
            },
            {
                "id": "train_baseline",
                "op": "train",
                "stage": "modeling",
                "summary": "Fit the model on the training features and join it to the transformer that makes them.",
            },
            {
                "id": "cross_validate",
                "op": "cross_validate",
                "stage": "modeling",
                "summary": "Refit transforms and model on folds of the training rows to see how much a score moves.",
            },
            {
                "id": "evaluate",
                "op": "evaluate",
                "stage": "modeling",
                "summary": "Score the model on raw rows of every split, with confidence intervals, slices and curves.",
            },
            {
                "id": "evaluate_baseline",
                "op": "evaluate",
                "stage": "modeling",
                "summary": "Score the model on raw rows of every split, with confidence intervals, slices and curves.",
            },
            {
                "id": "decide",
                "op": "decide",
                "stage": "modeling",
                "summary": "Hold every requirement against the evidence and write the verdicts down.",
            },
            {
                "id": "explain",
                "op": "explain",
                "stage": "modeling",
                "summary": "Measure how much each raw column matters to the model's score.",
            },
            {
                "id": "report",
                "op": "report",
                "stage": "modeling",
                "summary": "Draw the evidence as one page that opens offline.",
            },
            {
                "id": "gate",
                "op": "gate",
                "stage": "modeling",
                "summary": "Fail the run unless the verdict it is given is a pass.",
            },
            {
                "id": "package",
                "op": "package",
                "stage": "deployment",
                "summary": "Put model, input schema, environment, spec and evidence into one directory.",
            },
            {
                "id": "register",
                "op": "register",
                "stage": "deployment",
                "summary": "Enter the package in the model registry as a new version.",
            },
        ],
    },
    "spec": {
        "augmentation": [],
        "data": {
            "checks": [],
            "collection": None,
            "columns": {},
            "engine": "auto",
            "join": [],
            "labels": None,
            "on_failure": "stop",
            "privacy": None,
            "sources": {
                "samples": {
                    "dataset": "breast_cancer",
                    "description": None,
                    "growth": None,
                    "kind": "sklearn",
                    "license": None,
                    "origin": None,
                    "refresh": None,
                },
            },
            "storage": None,
            "union": None,
            "validator": "builtin",
            "version": {
                "engine": "content_hash",
            },
            "volume": None,
        },
        "evaluation": {
            "beat_baseline_by": None,
            "champion": None,
            "confidence": 0.95,
            "explain": "permutation",
            "fairness": None,
            "metrics": {},
            "overfitting": None,
            "robustness": None,
            "slices": [],
            "stress": None,
            "threshold": 0.5,
            "worst_slice": None,
        },
        "exports": [],
        "features": [
            {
                "columns": None,
                "kind": "scale",
                "with": "standard",
            },
        ],
        "hardware": {
            "edge": None,
            "serving": None,
            "training": None,
        },
        "mlspec": 1,
        "model": {
            "kind": "sklearn.logistic_regression",
            "params": {
                "C": 1.0,
                "class_weight": None,
                "dual": False,
                "fit_intercept": True,
                "intercept_scaling": 1.0,
                "l1_ratio": 0.0,
                "max_iter": 1000,
                "solver": "lbfgs",
                "tol": 0.0001,
            },
        },
        "pipeline": {
            "cache": None,
            "granularity": "step",
            "retries": 0,
            "schedule": None,
            "timeout": None,
            "timezone": "UTC",
        },
        "project": {
            "approach": "data_centric",
            "feasibility": None,
            "name": "breast-cancer",
            "owner": None,
            "phase": "proof_of_concept",
            "problem": "Radiologists want a second reading of fine-needle samples, ranked by risk.",
            "profile": None,
            "risks": [],
            "scoping": None,
            "stakeholders": [],
            "timeline": None,
            "version": "0.1.0",
        },
        "registry": {
            "kind": "local",
            "name": None,
        },
        "requirements": {
            "automation": None,
            "business": [],
            "compliance": [],
            "constraints": [],
            "coverage": [],
            "criticality": None,
            "error_cost": None,
            "interpretability": "none",
            "maintainability": None,
            "metrics": [
                {
                    "metric": "roc_auc",
                    "primary": True,
                    "supports": None,
                    "target": ">= 0.99",
                },
                {
                    "metric": "recall",
                    "primary": False,
                    "supports": None,
                    "target": ">= 0.94",
                },
            ],
            "regulation": None,
            "service": None,
            "volume": None,
        },
        "splits": {
            "exact": True,
            "gap": "0 s",
            "group_by": None,
            "rationale": None,
            "ratios": "auto",
            "seed": 7,
            "strategy": "stratified",
            "time": None,
        },
        "steps": {},
        "task": {
            "cold_start": None,
            "horizon": None,
            "item": None,
            "kind": "classification",
            "modality": "tabular",
            "positive": "malignant",
            "seasonality": None,
            "target": "target",
            "user": None,
        },
        "training": {
            "checkpoint": None,
            "cross_validation": 5,
            "distributed": None,
            "early_stopping": None,
            "mixed_precision": "auto",
            "seed": 7,
            "tuning": None,
        },
    },
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
}

GATE_PARAMS = {
    "subject": "model",
}

PACKAGE_PARAMS = {
    "about": {
        "name": "breast-cancer",
        "phase": "proof_of_concept",
        "problem": "Radiologists want a second reading of fine-needle samples, ranked by risk.",
        "version": "0.1.0",
    },
    "columns": {
        "target": {
            "max": None,
            "min": None,
            "nullable": None,
            "pattern": None,
            "pii": False,
            "role": "target",
            "type": None,
            "unique": False,
            "unit": None,
            "values": None,
        },
    },
    "entrypoints": [],
    "model": {
        "kind": "sklearn.logistic_regression",
        "params": {
            "C": 1.0,
            "class_weight": None,
            "dual": False,
            "fit_intercept": True,
            "intercept_scaling": 1.0,
            "l1_ratio": 0.0,
            "max_iter": 1000,
            "solver": "lbfgs",
            "tol": 0.0001,
        },
    },
    "spec": {
        "augmentation": [],
        "data": {
            "checks": [],
            "collection": None,
            "columns": {},
            "engine": "auto",
            "join": [],
            "labels": None,
            "on_failure": "stop",
            "privacy": None,
            "sources": {
                "samples": {
                    "dataset": "breast_cancer",
                    "description": None,
                    "growth": None,
                    "kind": "sklearn",
                    "license": None,
                    "origin": None,
                    "refresh": None,
                },
            },
            "storage": None,
            "union": None,
            "validator": "builtin",
            "version": {
                "engine": "content_hash",
            },
            "volume": None,
        },
        "evaluation": {
            "beat_baseline_by": None,
            "champion": None,
            "confidence": 0.95,
            "explain": "permutation",
            "fairness": None,
            "metrics": {},
            "overfitting": None,
            "robustness": None,
            "slices": [],
            "stress": None,
            "threshold": 0.5,
            "worst_slice": None,
        },
        "exports": [],
        "features": [
            {
                "columns": None,
                "kind": "scale",
                "with": "standard",
            },
        ],
        "hardware": {
            "edge": None,
            "serving": None,
            "training": None,
        },
        "mlspec": 1,
        "model": {
            "kind": "sklearn.logistic_regression",
            "params": {
                "C": 1.0,
                "class_weight": None,
                "dual": False,
                "fit_intercept": True,
                "intercept_scaling": 1.0,
                "l1_ratio": 0.0,
                "max_iter": 1000,
                "solver": "lbfgs",
                "tol": 0.0001,
            },
        },
        "pipeline": {
            "cache": None,
            "granularity": "step",
            "retries": 0,
            "schedule": None,
            "timeout": None,
            "timezone": "UTC",
        },
        "project": {
            "approach": "data_centric",
            "feasibility": None,
            "name": "breast-cancer",
            "owner": None,
            "phase": "proof_of_concept",
            "problem": "Radiologists want a second reading of fine-needle samples, ranked by risk.",
            "profile": None,
            "risks": [],
            "scoping": None,
            "stakeholders": [],
            "timeline": None,
            "version": "0.1.0",
        },
        "registry": {
            "kind": "local",
            "name": None,
        },
        "requirements": {
            "automation": None,
            "business": [],
            "compliance": [],
            "constraints": [],
            "coverage": [],
            "criticality": None,
            "error_cost": None,
            "interpretability": "none",
            "maintainability": None,
            "metrics": [
                {
                    "metric": "roc_auc",
                    "primary": True,
                    "supports": None,
                    "target": ">= 0.99",
                },
                {
                    "metric": "recall",
                    "primary": False,
                    "supports": None,
                    "target": ">= 0.94",
                },
            ],
            "regulation": None,
            "service": None,
            "volume": None,
        },
        "splits": {
            "exact": True,
            "gap": "0 s",
            "group_by": None,
            "rationale": None,
            "ratios": "auto",
            "seed": 7,
            "strategy": "stratified",
            "time": None,
        },
        "steps": {},
        "task": {
            "cold_start": None,
            "horizon": None,
            "item": None,
            "kind": "classification",
            "modality": "tabular",
            "positive": "malignant",
            "seasonality": None,
            "target": "target",
            "user": None,
        },
        "training": {
            "checkpoint": None,
            "cross_validation": 5,
            "distributed": None,
            "early_stopping": None,
            "mixed_precision": "auto",
            "seed": 7,
            "tuning": None,
        },
    },
    "task": {
        "kind": "classification",
        "positive": "malignant",
        "target": "target",
    },
    "transforms": [
        {
            "columns": None,
            "kind": "scale",
            "with": "standard",
        },
    ],
}

REGISTER_PARAMS = {
    "name": "breast-cancer",
    "registry_root": "registry",
}


def text(params):
    """Write a step's parameters as the text that its task takes.

    As text, because integers inside a dict or list would reach the task as floats;
    without two braces in a row, because KFP would take them for a placeholder.
    """
    return json.dumps(params, sort_keys=True).replace("{{", "{\\u007b")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    data: Output[Dataset],
    profile: Output[Artifact],
    data_root: str,
    params: str,
):
    """Read every source, combine them, and write one typed table.

    Spec: data.sources
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "ingest",
        inputs={},
        outputs={
            "data": data.path,
            "profile": profile.path,
        },
        params={
            **json.loads(params),
            "data_root": data_root,
        },
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data.metadata.update(shown)
    profile.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    data: Input[Dataset],
    data_out: Output[Dataset],
    quarantine: Output[Dataset],
    report: Output[Artifact],
    params: str,
):
    """Check every row against the schema and the checks; set failing rows aside.

    Spec: data.columns, data.checks
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "validate",
        inputs={
            "data": data.path,
        },
        outputs={
            "data": data_out.path,
            "quarantine": quarantine.path,
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data_out.metadata.update(shown)
    quarantine.metadata.update(shown)
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_data(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: data.on_failure
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(
    data: Input[Dataset],
    gate: Input[Artifact],
    train: Output[Dataset],
    dev: Output[Dataset],
    test: Output[Dataset],
    manifest: Output[Artifact],
    params: str,
):
    """Deal the rows to train, dev and test by identity, and prove that nothing leaks
    between them.

    Spec: splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "split",
        inputs={
            "data": data.path,
            "gate": gate.path,
        },
        outputs={
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
            "manifest": manifest.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    train.metadata.update(shown)
    dev.metadata.update(shown)
    test.metadata.update(shown)
    manifest.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def featurize(
    train: Input[Dataset],
    transformer: Output[Artifact],
    features: Output[Dataset],
    params: str,
):
    """Fit the feature transforms on the training rows and apply them.

    Spec: features, data.columns
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "featurize",
        inputs={
            "train": train.path,
        },
        outputs={
            "transformer": transformer.path,
            "features": features.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    transformer.metadata.update(shown)
    features.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def cross_validate(
    train: Input[Dataset],
    report: Output[Artifact],
    params: str,
):
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    Spec: training.cross_validation
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "cross_validate",
        inputs={
            "train": train.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    features: Input[Dataset],
    transformer: Input[Artifact],
    model: Output[Model],
    params: str,
):
    """Fit the model on the training features and join it to the transformer that makes
    them.

    Spec: model, training
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_baseline(
    features: Input[Dataset],
    transformer: Input[Artifact],
    model: Output[Model],
    params: str,
):
    """Fit the model on the training features and join it to the transformer that makes
    them.

    Spec: baseline
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    model: Input[Model],
    train: Input[Dataset],
    dev: Input[Dataset],
    test: Input[Dataset],
    metrics: Output[Metrics],
    predictions: Output[Dataset],
    curves: Output[Artifact],
    plots: Output[ClassificationMetrics],
    params: str,
):
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    Spec: evaluation, requirements
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "evaluate",
        inputs={
            "model": model.path,
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
        },
        outputs={
            "metrics": metrics.path,
            "predictions": predictions.path,
            "curves": curves.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    predictions.metadata.update(shown)
    curves.metadata.update(shown)
    for name, value in shown.items():
        if isinstance(value, (int, float)):
            metrics.log_metric(name, value)
    with open(curves.path, encoding="utf-8") as file:
        drawn = json.load(file)
    if drawn.get("confusion"):
        plots.log_confusion_matrix(
            [str(one) for one in drawn["confusion"]["labels"]],
            drawn["confusion"]["matrix"],
        )
    roc = drawn.get("roc") or {}
    if roc.get("thresholds"):
        rows = zip(roc["fpr"], roc["tpr"], roc["thresholds"])
        rows = [one for one in rows if None not in one]
        plots.log_roc_curve(*(list(column) for column in zip(*rows)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_baseline(
    model: Input[Model],
    train: Input[Dataset],
    dev: Input[Dataset],
    test: Input[Dataset],
    metrics: Output[Metrics],
    predictions: Output[Dataset],
    curves: Output[Artifact],
    plots: Output[ClassificationMetrics],
    params: str,
):
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    Spec: baseline, evaluation.beat_baseline_by
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "evaluate",
        inputs={
            "model": model.path,
            "train": train.path,
            "dev": dev.path,
            "test": test.path,
        },
        outputs={
            "metrics": metrics.path,
            "predictions": predictions.path,
            "curves": curves.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    predictions.metadata.update(shown)
    curves.metadata.update(shown)
    for name, value in shown.items():
        if isinstance(value, (int, float)):
            metrics.log_metric(name, value)
    with open(curves.path, encoding="utf-8") as file:
        drawn = json.load(file)
    if drawn.get("confusion"):
        plots.log_confusion_matrix(
            [str(one) for one in drawn["confusion"]["labels"]],
            drawn["confusion"]["matrix"],
        )
    roc = drawn.get("roc") or {}
    if roc.get("thresholds"):
        rows = zip(roc["fpr"], roc["tpr"], roc["thresholds"])
        rows = [one for one in rows if None not in one]
        plots.log_roc_curve(*(list(column) for column in zip(*rows)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def explain(
    model: Input[Model],
    test: Input[Dataset],
    importance: Output[Artifact],
    params: str,
):
    """Measure how much each raw column matters to the model's score.

    Spec: evaluation.explain
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "explain",
        inputs={
            "model": model.path,
            "test": test.path,
        },
        outputs={
            "importance": importance.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    importance.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def decide(
    metrics: Input[Metrics],
    baseline: Input[Metrics],
    validation: Input[Artifact],
    manifest: Input[Artifact],
    cross_validation: Input[Artifact],
    decision: Output[Artifact],
    summary: Output[Markdown],
    params: str,
):
    """Hold every requirement against the evidence and write the verdicts down.

    Spec: requirements.metrics[0].target, requirements.metrics[1].target, data, splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "decide",
        inputs={
            "metrics": metrics.path,
            "baseline": baseline.path,
            "validation": validation.path,
            "manifest": manifest.path,
            "cross_validation": cross_validation.path,
        },
        outputs={
            "decision": decision.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    decision.metadata.update(shown)
    with open(decision.path, encoding="utf-8") as file:
        decided = json.load(file)
    rows = [
        ["Requirement", "Target", "Value", "Verdict", "Reason"],
        ["---"] * 5,
    ]
    for one in decided["requirements"]:
        rows.append(
            [one["name"], one["target"], one["value"], one["verdict"], one["reason"]]
        )
    with open(summary.path, "w", encoding="utf-8") as file:
        print("#", decided["verdict"], end="\n\n", file=file)
        for one in rows:
            cells = [" ".join(str(cell).split()).replace("|", "\\|") for cell in one]
            print("|", " | ".join(cells), "|", file=file)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    profile: Input[Artifact],
    validation: Input[Artifact],
    manifest: Input[Artifact],
    metrics: Input[Metrics],
    curves: Input[Artifact],
    predictions: Input[Dataset],
    decision: Input[Artifact],
    baseline: Input[Metrics],
    cross_validation: Input[Artifact],
    importance: Input[Artifact],
    page: Output[HTML],
    params: str,
):
    """Draw the evidence as one page that opens offline.

    Spec: project
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "report",
        inputs={
            "profile": profile.path,
            "validation": validation.path,
            "manifest": manifest.path,
            "metrics": metrics.path,
            "curves": curves.path,
            "predictions": predictions.path,
            "decision": decision.path,
            "baseline": baseline.path,
            "cross_validation": cross_validation.path,
            "importance": importance.path,
        },
        outputs={
            "page": page.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    page.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: requirements.metrics[0].target, requirements.metrics[1].target, data, splits
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package(
    model: Input[Model],
    validation: Input[Artifact],
    metrics: Input[Metrics],
    decision: Input[Artifact],
    gate: Input[Artifact],
    package: Output[Model],
    params: str,
):
    """Put model, input schema, environment, spec and evidence into one directory.

    Spec: project, model
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "package",
        inputs={
            "model": model.path,
            "validation": validation.path,
            "metrics": metrics.path,
            "decision": decision.path,
            "gate": gate.path,
        },
        outputs={
            "package": package.path,
        },
        params=json.loads(params),
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    package.metadata.update(shown)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    package: Input[Model],
    entry: Output[Artifact],
    registry_root: str,
    params: str,
):
    """Enter the package in the model registry as a new version.

    Spec: registry
    """
    import json

    from mlspec import runtime

    facts = runtime.run(
        "register",
        inputs={
            "package": package.path,
        },
        outputs={
            "entry": entry.path,
        },
        params={
            **json.loads(params),
            "registry_root": registry_root,
        },
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    entry.metadata.update(shown)


@dsl.pipeline(
    name="breast-cancer",
    display_name="breast-cancer",
    description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
)
def pipeline(
    # Directory that the paths of the data sources are relative to.
    data_root: str = ".",
    # Directory of the model registry.
    registry_root: str = "registry",
):
    ingest_task = ingest(
        data_root=data_root,
        params=text(INGEST_PARAMS),
    )
    ingest_task.set_caching_options(False)
    validate_task = validate(
        data=ingest_task.outputs["data"],
        params=text(VALIDATE_PARAMS),
    )
    check_data_task = check_data(
        decision=validate_task.outputs["report"],
        params=text(CHECK_DATA_PARAMS),
    )
    split_task = split(
        data=validate_task.outputs["data_out"],
        gate=check_data_task.outputs["report"],
        params=text(SPLIT_PARAMS),
    )
    featurize_task = featurize(
        train=split_task.outputs["train"],
        params=text(FEATURIZE_PARAMS),
    )
    cross_validate_task = cross_validate(
        train=split_task.outputs["train"],
        params=text(CROSS_VALIDATE_PARAMS),
    )
    train_task = train(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(TRAIN_PARAMS),
    )
    train_baseline_task = train_baseline(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(TRAIN_BASELINE_PARAMS),
    )
    evaluate_task = evaluate(
        model=train_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(EVALUATE_PARAMS),
    )
    evaluate_baseline_task = evaluate_baseline(
        model=train_baseline_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(EVALUATE_BASELINE_PARAMS),
    )
    explain_task = explain(
        model=train_task.outputs["model"],
        test=split_task.outputs["test"],
        params=text(EXPLAIN_PARAMS),
    )
    decide_task = decide(
        metrics=evaluate_task.outputs["metrics"],
        baseline=evaluate_baseline_task.outputs["metrics"],
        validation=validate_task.outputs["report"],
        manifest=split_task.outputs["manifest"],
        cross_validation=cross_validate_task.outputs["report"],
        params=text(DECIDE_PARAMS),
    )
    report(
        profile=ingest_task.outputs["profile"],
        validation=validate_task.outputs["report"],
        manifest=split_task.outputs["manifest"],
        metrics=evaluate_task.outputs["metrics"],
        curves=evaluate_task.outputs["curves"],
        predictions=evaluate_task.outputs["predictions"],
        decision=decide_task.outputs["decision"],
        baseline=evaluate_baseline_task.outputs["metrics"],
        cross_validation=cross_validate_task.outputs["report"],
        importance=explain_task.outputs["importance"],
        params=text(REPORT_PARAMS),
    )
    gate_task = gate(
        decision=decide_task.outputs["decision"],
        params=text(GATE_PARAMS),
    )
    package_task = package(
        model=train_task.outputs["model"],
        validation=validate_task.outputs["report"],
        metrics=evaluate_task.outputs["metrics"],
        decision=decide_task.outputs["decision"],
        gate=gate_task.outputs["report"],
        params=text(PACKAGE_PARAMS),
    )
    register_task = register(
        package=package_task.outputs["package"],
        registry_root=registry_root,
        params=text(REGISTER_PARAMS),
    )
    register_task.set_caching_options(False)


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "pipeline.yaml")
