"""breast-cancer: the flow, and one task for each of its steps.

Written by mlspec. Each task runs one step of the pipeline on files under the
workspace and passes their paths on; the flow says which step needs which file.
"""

import sys
from pathlib import Path
from typing import Annotated

from prefect import flow, task
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

# A worker loads this file by its path: the project has to be importable all the same.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from breast_cancer_flow import (
    ending,
    params,
    show,
)
from breast_cancer_flow.storage import (
    ContentKey,
    Files,
    Output,
    perform,
)

Text = Annotated[str, Field(min_length=1)]


@task(
    name="ingest",
    task_run_name="ingest",
    tags=["data"],
    cache_policy=ContentKey(
        op="ingest",
        constant="INGEST",
        outputs=[
            "data",
            "profile",
        ],
        bound={
            "data_root": "data_root",
        },
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def ingest(
    workspace: str,
    data_root: str,
) -> Files:
    """Read every source, combine them, and write one typed table.

    From the spec's data.sources.
    """
    made = perform(
        "ingest",
        workspace=workspace,
        inputs={},
        outputs={
            "data": "data.parquet",
            "profile": "profile.json",
        },
        params={
            **params.INGEST,
            "data_root": data_root,
        },
    )
    show.facts("ingest", made)
    return made.files


@task(
    name="validate",
    task_run_name="validate",
    tags=["data"],
    cache_policy=ContentKey(
        op="validate",
        constant="VALIDATE",
        outputs=[
            "data",
            "quarantine",
            "report",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def validate(
    workspace: str,
    data: Output,
) -> Files:
    """Check every row against the schema and the checks; set failing rows aside.

    From the spec's data.columns, data.checks.
    """
    made = perform(
        "validate",
        workspace=workspace,
        inputs={
            "data": data,
        },
        outputs={
            "data": "data.parquet",
            "quarantine": "quarantine.parquet",
            "report": "report.json",
        },
        params=params.VALIDATE,
    )
    show.checks("validate", "report", made)
    return made.files


@task(
    name="check_data",
    task_run_name="check_data",
    tags=["data"],
    cache_policy=ContentKey(
        op="gate",
        constant="CHECK_DATA",
        outputs=[
            "report",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def check_data(
    workspace: str,
    decision: Output,
) -> Files:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's data.on_failure.
    """
    made = perform(
        "gate",
        workspace=workspace,
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report.json",
        },
        params=params.CHECK_DATA,
    )
    return made.files


@task(
    name="split",
    task_run_name="split",
    tags=["data"],
    cache_policy=ContentKey(
        op="split",
        constant="SPLIT",
        outputs=[
            "train",
            "dev",
            "test",
            "manifest",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def split(
    workspace: str,
    data: Output,
    gate: Output,
) -> Files:
    """Deal the rows to train, dev and test by identity, and prove that nothing leaks
    between them.

    From the spec's splits.
    """
    made = perform(
        "split",
        workspace=workspace,
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
        params=params.SPLIT,
    )
    show.facts("split", made)
    return made.files


@task(
    name="featurize",
    task_run_name="featurize",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="featurize",
        constant="FEATURIZE",
        outputs=[
            "transformer",
            "features",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def featurize(
    workspace: str,
    train: Output,
) -> Files:
    """Fit the feature transforms on the training rows and apply them.

    From the spec's features, data.columns.
    """
    made = perform(
        "featurize",
        workspace=workspace,
        inputs={
            "train": train,
        },
        outputs={
            "features": "features.parquet",
            "transformer": "transformer.joblib",
        },
        params=params.FEATURIZE,
    )
    show.facts("featurize", made)
    return made.files


@task(
    name="cross_validate",
    task_run_name="cross_validate",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="cross_validate",
        constant="CROSS_VALIDATE",
        outputs=[
            "report",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def cross_validate(
    workspace: str,
    train: Output,
) -> Files:
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    From the spec's training.cross_validation.
    """
    made = perform(
        "cross_validate",
        workspace=workspace,
        inputs={
            "train": train,
        },
        outputs={
            "report": "report.json",
        },
        params=params.CROSS_VALIDATE,
    )
    show.facts("cross_validate", made)
    return made.files


@task(
    name="train",
    task_run_name="train",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="train",
        constant="TRAIN",
        outputs=[
            "model",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def train(
    workspace: str,
    features: Output,
    transformer: Output,
) -> Files:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's model, training.
    """
    made = perform(
        "train",
        workspace=workspace,
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model.joblib",
        },
        params=params.TRAIN,
    )
    show.facts("train", made)
    return made.files


@task(
    name="train_baseline",
    task_run_name="train_baseline",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="train",
        constant="TRAIN_BASELINE",
        outputs=[
            "model",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def train_baseline(
    workspace: str,
    features: Output,
    transformer: Output,
) -> Files:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's baseline.
    """
    made = perform(
        "train",
        workspace=workspace,
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model.joblib",
        },
        params=params.TRAIN_BASELINE,
    )
    show.facts("train_baseline", made)
    return made.files


@task(
    name="evaluate",
    task_run_name="evaluate",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="evaluate",
        constant="EVALUATE",
        outputs=[
            "metrics",
            "predictions",
            "curves",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def evaluate(
    workspace: str,
    model: Output,
    train: Output,
    dev: Output,
    test: Output,
) -> Files:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's evaluation, requirements.
    """
    made = perform(
        "evaluate",
        workspace=workspace,
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
        params=params.EVALUATE,
    )
    show.metrics("evaluate", "metrics", made)
    return made.files


@task(
    name="evaluate_baseline",
    task_run_name="evaluate_baseline",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="evaluate",
        constant="EVALUATE_BASELINE",
        outputs=[
            "metrics",
            "predictions",
            "curves",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def evaluate_baseline(
    workspace: str,
    model: Output,
    train: Output,
    dev: Output,
    test: Output,
) -> Files:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's baseline, evaluation.beat_baseline_by.
    """
    made = perform(
        "evaluate",
        workspace=workspace,
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
        params=params.EVALUATE_BASELINE,
    )
    show.metrics("evaluate_baseline", "metrics", made)
    return made.files


@task(
    name="explain",
    task_run_name="explain",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="explain",
        constant="EXPLAIN",
        outputs=[
            "importance",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def explain(
    workspace: str,
    model: Output,
    test: Output,
) -> Files:
    """Measure how much each raw column matters to the model's score.

    From the spec's evaluation.explain.
    """
    made = perform(
        "explain",
        workspace=workspace,
        inputs={
            "model": model,
            "test": test,
        },
        outputs={
            "importance": "importance.json",
        },
        params=params.EXPLAIN,
    )
    show.facts("explain", made)
    return made.files


@task(
    name="decide",
    task_run_name="decide",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="decide",
        constant="DECIDE",
        outputs=[
            "decision",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def decide(
    workspace: str,
    metrics: Output,
    baseline: Output,
    validation: Output,
    manifest: Output,
    cross_validation: Output,
) -> Files:
    """Hold every requirement against the evidence and write the verdicts down.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    made = perform(
        "decide",
        workspace=workspace,
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
        params=params.DECIDE,
    )
    show.decision("decide", "decision", made)
    return made.files


@task(
    name="report",
    task_run_name="report",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="report",
        constant="REPORT",
        outputs=[
            "page",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def report(
    workspace: str,
    profile: Output,
    validation: Output,
    manifest: Output,
    metrics: Output,
    curves: Output,
    predictions: Output,
    decision: Output,
    baseline: Output,
    cross_validation: Output,
    importance: Output,
) -> Files:
    """Draw the evidence as one page that opens offline.

    From the spec's project.
    """
    made = perform(
        "report",
        workspace=workspace,
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
        params=params.REPORT,
    )
    show.page("report", "page", made)
    return made.files


@task(
    name="gate",
    task_run_name="gate",
    tags=["modeling"],
    cache_policy=ContentKey(
        op="gate",
        constant="GATE",
        outputs=[
            "report",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def gate(
    workspace: str,
    decision: Output,
) -> Files:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    made = perform(
        "gate",
        workspace=workspace,
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report.json",
        },
        params=params.GATE,
    )
    return made.files


@task(
    name="package",
    task_run_name="package",
    tags=["deployment"],
    cache_policy=ContentKey(
        op="package",
        constant="PACKAGE",
        outputs=[
            "package",
        ],
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def package(
    workspace: str,
    model: Output,
    validation: Output,
    metrics: Output,
    decision: Output,
    gate: Output,
) -> Files:
    """Put model, input schema, environment, spec and evidence into one directory.

    From the spec's project, model.
    """
    made = perform(
        "package",
        workspace=workspace,
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
        params=params.PACKAGE,
    )
    show.facts("package", made)
    return made.files


@task(
    name="register",
    task_run_name="register",
    tags=["deployment"],
    cache_policy=ContentKey(
        op="register",
        constant="REGISTER",
        outputs=[
            "entry",
        ],
        bound={
            "registry_root": "registry_root",
        },
    ),
    persist_result=True,
    result_serializer="json",
    log_prints=True,
)
def register(
    workspace: str,
    registry_root: str,
    package: Output,
) -> Files:
    """Enter the package in the model registry as a new version.

    From the spec's registry.
    """
    made = perform(
        "register",
        workspace=workspace,
        inputs={
            "package": package,
        },
        outputs={
            "entry": "entry.json",
        },
        params={
            **params.REGISTER,
            "registry_root": registry_root,
        },
    )
    show.facts("register", made)
    return made.files


@flow(
    name="breast-cancer",
    description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
    # A task that waits for others, or for a person, takes a thread and does no work:
    # how many steps work at the same time is said in storage.py.
    task_runner=ThreadPoolTaskRunner(max_workers=16),
    validate_parameters=True,
)
def breast_cancer_flow(
    data_root: Text = ".",
    registry_root: Text = "registry",
    workspace: Text = "workspace",
):
    """Radiologists want a second reading of fine-needle samples, ranked by risk.

    Args:
        data_root: Directory that the paths of the data sources are relative to.
        registry_root: Directory of the model registry.
        workspace: Directory of the steps' files and of what is cached.
    """
    runs: dict[str, PrefectFuture[Files]] = {}
    runs["ingest"] = ingest.submit(
        workspace=workspace,
        data_root=data_root,
    )
    runs["validate"] = validate.submit(
        workspace=workspace,
        data=Output(runs["ingest"], "data"),
    )
    runs["check_data"] = check_data.submit(
        workspace=workspace,
        decision=Output(runs["validate"], "report"),
    )
    runs["split"] = split.submit(
        workspace=workspace,
        data=Output(runs["validate"], "data"),
        gate=Output(runs["check_data"], "report"),
    )
    runs["featurize"] = featurize.submit(
        workspace=workspace,
        train=Output(runs["split"], "train"),
    )
    runs["cross_validate"] = cross_validate.submit(
        workspace=workspace,
        train=Output(runs["split"], "train"),
    )
    runs["train"] = train.submit(
        workspace=workspace,
        features=Output(runs["featurize"], "features"),
        transformer=Output(runs["featurize"], "transformer"),
    )
    runs["train_baseline"] = train_baseline.submit(
        workspace=workspace,
        features=Output(runs["featurize"], "features"),
        transformer=Output(runs["featurize"], "transformer"),
    )
    runs["evaluate"] = evaluate.submit(
        workspace=workspace,
        model=Output(runs["train"], "model"),
        train=Output(runs["split"], "train"),
        dev=Output(runs["split"], "dev"),
        test=Output(runs["split"], "test"),
    )
    runs["evaluate_baseline"] = evaluate_baseline.submit(
        workspace=workspace,
        model=Output(runs["train_baseline"], "model"),
        train=Output(runs["split"], "train"),
        dev=Output(runs["split"], "dev"),
        test=Output(runs["split"], "test"),
    )
    runs["explain"] = explain.submit(
        workspace=workspace,
        model=Output(runs["train"], "model"),
        test=Output(runs["split"], "test"),
    )
    runs["decide"] = decide.submit(
        workspace=workspace,
        metrics=Output(runs["evaluate"], "metrics"),
        baseline=Output(runs["evaluate_baseline"], "metrics"),
        validation=Output(runs["validate"], "report"),
        manifest=Output(runs["split"], "manifest"),
        cross_validation=Output(runs["cross_validate"], "report"),
    )
    runs["report"] = report.submit(
        workspace=workspace,
        profile=Output(runs["ingest"], "profile"),
        validation=Output(runs["validate"], "report"),
        manifest=Output(runs["split"], "manifest"),
        metrics=Output(runs["evaluate"], "metrics"),
        curves=Output(runs["evaluate"], "curves"),
        predictions=Output(runs["evaluate"], "predictions"),
        decision=Output(runs["decide"], "decision"),
        baseline=Output(runs["evaluate_baseline"], "metrics"),
        cross_validation=Output(runs["cross_validate"], "report"),
        importance=Output(runs["explain"], "importance"),
    )
    runs["gate"] = gate.submit(
        workspace=workspace,
        decision=Output(runs["decide"], "decision"),
    )
    runs["package"] = package.submit(
        workspace=workspace,
        model=Output(runs["train"], "model"),
        validation=Output(runs["validate"], "report"),
        metrics=Output(runs["evaluate"], "metrics"),
        decision=Output(runs["decide"], "decision"),
        gate=Output(runs["gate"], "report"),
    )
    runs["register"] = register.submit(
        workspace=workspace,
        registry_root=registry_root,
        package=Output(runs["package"], "package"),
    )

    # Prefect fails a run only for what the flow returns: every future is waited for
    # and its state returned, so that the run is COMPLETED only if each step is.
    news = ending.reached(runs)
    return news.states


if __name__ == "__main__":
    breast_cancer_flow()
