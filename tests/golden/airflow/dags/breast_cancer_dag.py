"""breast-cancer: the DAG, and one task for each of its steps.

Written by mlspec. Each task runs one step of the pipeline on files under the
workspace and passes their paths on; the DAG says which step needs which file.
"""

import sys
from pathlib import Path

import pendulum
from airflow.sdk import (
    Asset,
    Param,
    TaskGroup,
    dag,
    task,
)

# Airflow loads this file by its path: what the tasks share and the user's own modules
# (src/) have to be importable wherever it does so.
HERE = Path(__file__).resolve().parent
for place in (HERE, HERE.parent / "src"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from breast_cancer_tasks.storage import Files, perform


@task(
    task_id="ingest",
)
def ingest() -> Files:
    """Read every source, combine them, and write one typed table.

    From the spec's data.sources.
    """
    return perform(
        "ingest",
        inputs={},
        outputs={
            "data": "data.parquet",
            "profile": "profile.json",
        },
        bindings={
            "data_root": "data_root",
        },
    )


@task(
    task_id="validate",
)
def validate(
    data: str,
) -> Files:
    """Check every row against the schema and the checks; set failing rows aside.

    From the spec's data.columns, data.checks.
    """
    return perform(
        "validate",
        inputs={
            "data": data,
        },
        outputs={
            "data": "data.parquet",
            "quarantine": "quarantine.parquet",
            "report": "report.json",
        },
    )


@task(
    task_id="check_data",
)
def check_data(
    decision: str,
) -> Files:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's data.on_failure.
    """
    return perform(
        "gate",
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report.json",
        },
    )


@task(
    task_id="split",
)
def split(
    data: str,
    gate: str,
) -> Files:
    """Deal the rows to train, dev and test by identity, and prove that nothing leaks
    between them.

    From the spec's splits.
    """
    return perform(
        "split",
        inputs={
            "data": data,
            "gate": gate,
        },
        outputs={
            "dev": "dev.parquet",
            "manifest": "manifest.json",
            "test": "test.parquet",
            "train": "train.parquet",
        },
    )


@task(
    task_id="featurize",
)
def featurize(
    train: str,
) -> Files:
    """Fit the feature transforms on the training rows and apply them.

    From the spec's features, data.columns.
    """
    return perform(
        "featurize",
        inputs={
            "train": train,
        },
        outputs={
            "features": "features.parquet",
            "transformer": "transformer.joblib",
        },
    )


@task(
    task_id="cross_validate",
)
def cross_validate(
    train: str,
) -> Files:
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    From the spec's training.cross_validation.
    """
    return perform(
        "cross_validate",
        inputs={
            "train": train,
        },
        outputs={
            "report": "report.json",
        },
    )


@task(
    task_id="train",
)
def train(
    features: str,
    transformer: str,
) -> Files:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's model, training.
    """
    return perform(
        "train",
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model.joblib",
        },
    )


@task(
    task_id="train_baseline",
)
def train_baseline(
    features: str,
    transformer: str,
) -> Files:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's baseline.
    """
    return perform(
        "train",
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model.joblib",
        },
    )


@task(
    task_id="evaluate",
    outlets=[
        Asset("breast-cancer.evaluate.metrics"),
    ],
)
def evaluate(
    model: str,
    train: str,
    dev: str,
    test: str,
) -> Files:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's evaluation, requirements.
    """
    return perform(
        "evaluate",
        inputs={
            "model": model,
            "train": train,
            "dev": dev,
            "test": test,
        },
        outputs={
            "curves": "curves.json",
            "metrics": "metrics.json",
            "predictions": "predictions.parquet",
        },
    )


@task(
    task_id="evaluate_baseline",
    outlets=[
        Asset("breast-cancer.evaluate_baseline.metrics"),
    ],
)
def evaluate_baseline(
    model: str,
    train: str,
    dev: str,
    test: str,
) -> Files:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's baseline, evaluation.beat_baseline_by.
    """
    return perform(
        "evaluate",
        inputs={
            "model": model,
            "train": train,
            "dev": dev,
            "test": test,
        },
        outputs={
            "curves": "curves.json",
            "metrics": "metrics.json",
            "predictions": "predictions.parquet",
        },
    )


@task(
    task_id="explain",
)
def explain(
    model: str,
    test: str,
) -> Files:
    """Measure how much each raw column matters to the model's score.

    From the spec's evaluation.explain.
    """
    return perform(
        "explain",
        inputs={
            "model": model,
            "test": test,
        },
        outputs={
            "importance": "importance.json",
        },
    )


@task(
    task_id="decide",
    outlets=[
        Asset("breast-cancer.decide.decision"),
    ],
)
def decide(
    metrics: str,
    baseline: str,
    validation: str,
    manifest: str,
    cross_validation: str,
) -> Files:
    """Hold every requirement against the evidence and write the verdicts down.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    return perform(
        "decide",
        inputs={
            "metrics": metrics,
            "baseline": baseline,
            "validation": validation,
            "manifest": manifest,
            "cross_validation": cross_validation,
        },
        outputs={
            "decision": "decision.json",
        },
    )


@task(
    task_id="report",
)
def report(
    profile: str,
    validation: str,
    manifest: str,
    metrics: str,
    curves: str,
    predictions: str,
    decision: str,
    baseline: str,
    cross_validation: str,
    importance: str,
) -> Files:
    """Draw the evidence as one page that opens offline.

    From the spec's project.
    """
    return perform(
        "report",
        inputs={
            "profile": profile,
            "validation": validation,
            "manifest": manifest,
            "metrics": metrics,
            "curves": curves,
            "predictions": predictions,
            "decision": decision,
            "baseline": baseline,
            "cross_validation": cross_validation,
            "importance": importance,
        },
        outputs={
            "page": "page.html",
        },
    )


@task(
    task_id="gate",
)
def gate(
    decision: str,
) -> Files:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    return perform(
        "gate",
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report.json",
        },
    )


@task(
    task_id="package",
    outlets=[
        Asset("breast-cancer.package.package"),
    ],
)
def package(
    model: str,
    validation: str,
    metrics: str,
    decision: str,
    gate: str,
) -> Files:
    """Put model, input schema, environment, spec and evidence into one directory.

    From the spec's project, model.
    """
    return perform(
        "package",
        inputs={
            "model": model,
            "validation": validation,
            "metrics": metrics,
            "decision": decision,
            "gate": gate,
        },
        outputs={
            "package": "package",
        },
    )


@task(
    task_id="register",
    outlets=[
        Asset("breast-cancer.register.entry"),
    ],
)
def register(
    package: str,
) -> Files:
    """Enter the package in the model registry as a new version.

    From the spec's registry.
    """
    return perform(
        "register",
        inputs={
            "package": package,
        },
        outputs={
            "entry": "entry.json",
        },
        bindings={
            "registry_root": "registry_root",
        },
    )


@dag(
    dag_id="breast-cancer",
    description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "data_root": Param(
            ".",
            type="string",
            minLength=1,
            description="Directory that the paths of the data sources are relative to.",
        ),
        "registry_root": Param(
            "registry",
            type="string",
            minLength=1,
            description="Directory of the model registry.",
        ),
        "workspace": Param(
            "workspace",
            type="string",
            minLength=1,
            description="Directory of the steps' files and of what is used again.",
        ),
    },
    default_args={
        "owner": "mlspec",
    },
    tags=[
        "mlspec",
    ],
)
def breast_cancer_dag():
    """Radiologists want a second reading of fine-needle samples, ranked by risk.

    Written by mlspec.
    """
    data_stage = TaskGroup("Data", prefix_group_id=False)
    modeling_stage = TaskGroup("Modeling", prefix_group_id=False)
    deployment_stage = TaskGroup("Deployment", prefix_group_id=False)
    with data_stage:
        ingest_run = ingest()
        validate_run = validate(
            data=ingest_run["data"],
        )
        check_data_run = check_data(
            decision=validate_run["report"],
        )
        split_run = split(
            data=validate_run["data"],
            gate=check_data_run["report"],
        )
    with modeling_stage:
        featurize_run = featurize(
            train=split_run["train"],
        )
        cross_validate_run = cross_validate(
            train=split_run["train"],
        )
        train_run = train(
            features=featurize_run["features"],
            transformer=featurize_run["transformer"],
        )
        train_baseline_run = train_baseline(
            features=featurize_run["features"],
            transformer=featurize_run["transformer"],
        )
        evaluate_run = evaluate(
            model=train_run["model"],
            train=split_run["train"],
            dev=split_run["dev"],
            test=split_run["test"],
        )
        evaluate_baseline_run = evaluate_baseline(
            model=train_baseline_run["model"],
            train=split_run["train"],
            dev=split_run["dev"],
            test=split_run["test"],
        )
        explain_run = explain(
            model=train_run["model"],
            test=split_run["test"],
        )
        decide_run = decide(
            metrics=evaluate_run["metrics"],
            baseline=evaluate_baseline_run["metrics"],
            validation=validate_run["report"],
            manifest=split_run["manifest"],
            cross_validation=cross_validate_run["report"],
        )
        report(
            profile=ingest_run["profile"],
            validation=validate_run["report"],
            manifest=split_run["manifest"],
            metrics=evaluate_run["metrics"],
            curves=evaluate_run["curves"],
            predictions=evaluate_run["predictions"],
            decision=decide_run["decision"],
            baseline=evaluate_baseline_run["metrics"],
            cross_validation=cross_validate_run["report"],
            importance=explain_run["importance"],
        )
        gate_run = gate(
            decision=decide_run["decision"],
        )
    with deployment_stage:
        package_run = package(
            model=train_run["model"],
            validation=validate_run["report"],
            metrics=evaluate_run["metrics"],
            decision=decide_run["decision"],
            gate=gate_run["report"],
        )
        register(
            package=package_run["package"],
        )


breast_cancer_dag()
