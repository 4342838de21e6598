"""What each step does, as plain values: the parameters that the spec gave it.

pipeline.py reads them when it compiles; no task sees this file.
"""

INGEST = {
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

VALIDATE = {
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

CHECK_DATA = {
    "subject": "data",
}

SPLIT = {
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

FEATURIZE = {
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

CROSS_VALIDATE = {
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

TRAIN = {
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

TRAIN_BASELINE = {
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

EVALUATE = {
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

EVALUATE_BASELINE = {
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

EXPLAIN = {
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

DECIDE = {
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

REPORT = {
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
            "window": None,
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
            "fan_out": [],
            "granularity": "step",
            "image": None,
            "notify": [],
            "owned": [],
            "parallelism": None,
            "patches": [],
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

GATE = {
    "subject": "model",
}

PACKAGE = {
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
            "window": None,
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
            "fan_out": [],
            "granularity": "step",
            "image": None,
            "notify": [],
            "owned": [],
            "parallelism": None,
            "patches": [],
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

REGISTER = {
    "name": "breast-cancer",
    "registry_root": "registry",
}
