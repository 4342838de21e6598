"""breast-cancer: the flow, and one task for each of its steps.

Written by mlspec. Each task runs one step of the pipeline on files under the
workspace and passes their paths on; the flow says which step needs which file.
"""

import sys
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

# A worker loads this file by its path: the project and the user's own modules (src/)
# have to be importable wherever it does so.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from breast_cancer_flow import params, show
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
    cache_policy=ContentKey(op="ingest", params=params.INGEST),
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
    show.facts("breast-cancer-ingest", made)
    return made.files


@task(
    name="validate",
    task_run_name="validate",
    cache_policy=ContentKey(op="validate", params=params.VALIDATE),
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
    show.checks("breast-cancer-validate-report", made.files["report"])
    return made.files


@task(
    name="check_data",
    task_run_name="check_data",
    cache_policy=ContentKey(op="gate", params=params.CHECK_DATA),
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
    cache_policy=ContentKey(op="split", params=params.SPLIT),
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
    show.facts("breast-cancer-split", made)
    return made.files


@task(
    name="featurize",
    task_run_name="featurize",
    cache_policy=ContentKey(op="featurize", params=params.FEATURIZE),
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
    show.facts("breast-cancer-featurize", made)
    return made.files


@task(
    name="cross_validate",
    task_run_name="cross_validate",
    cache_policy=ContentKey(op="cross_validate", params=params.CROSS_VALIDATE),
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
    show.facts("breast-cancer-cross-validate", made)
    return made.files


@task(
    name="train",
    task_run_name="train",
    cache_policy=ContentKey(op="train", params=params.TRAIN),
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
    show.facts("breast-cancer-train", made)
    return made.files


@task(
    name="train_baseline",
    task_run_name="train_baseline",
    cache_policy=ContentKey(op="train", params=params.TRAIN_BASELINE),
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
    show.facts("breast-cancer-train-baseline", made)
    return made.files


@task(
    name="evaluate",
    task_run_name="evaluate",
    cache_policy=ContentKey(op="evaluate", params=params.EVALUATE),
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
    show.metrics("breast-cancer-evaluate-metrics", made.files["metrics"])
    return made.files


@task(
    name="evaluate_baseline",
    task_run_name="evaluate_baseline",
    cache_policy=ContentKey(op="evaluate", params=params.EVALUATE_BASELINE),
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
    show.metrics("breast-cancer-evaluate-baseline-metrics", made.files["metrics"])
    return made.files


@task(
    name="explain",
    task_run_name="explain",
    cache_policy=ContentKey(op="explain", params=params.EXPLAIN),
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
    show.facts("breast-cancer-explain", made)
    return made.files


@task(
    name="decide",
    task_run_name="decide",
    cache_policy=ContentKey(op="decide", params=params.DECIDE),
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
    show.decision("breast-cancer-decide-decision", made.files["decision"])
    return made.files


@task(
    name="report",
    task_run_name="report",
    cache_policy=ContentKey(op="report", params=params.REPORT),
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
    show.page("breast-cancer-report-page", made.files["page"])
    return made.files


@task(
    name="gate",
    task_run_name="gate",
    cache_policy=ContentKey(op="gate", params=params.GATE),
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
    cache_policy=ContentKey(op="package", params=params.PACKAGE),
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
    show.facts("breast-cancer-package", made)
    return made.files


@task(
    name="register",
    task_run_name="register",
    cache_policy=ContentKey(op="register", params=params.REGISTER),
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
    show.facts("breast-cancer-register", made)
    return made.files


@flow(
    name="breast-cancer",
    description="Radiologists want a second reading of fine-needle samples, ranked by risk.",
    # One thread a task: a task that waits for another must not take its place.
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
    log = get_run_logger()
    ingest_run = ingest.submit(
        workspace=workspace,
        data_root=data_root,
    )
    validate_run = validate.submit(
        workspace=workspace,
        data=Output(ingest_run, "data"),
    )
    check_data_run = check_data.submit(
        workspace=workspace,
        decision=Output(validate_run, "report"),
    )
    split_run = split.submit(
        workspace=workspace,
        data=Output(validate_run, "data"),
        gate=Output(check_data_run, "report"),
    )
    featurize_run = featurize.submit(
        workspace=workspace,
        train=Output(split_run, "train"),
    )
    cross_validate_run = cross_validate.submit(
        workspace=workspace,
        train=Output(split_run, "train"),
    )
    train_run = train.submit(
        workspace=workspace,
        features=Output(featurize_run, "features"),
        transformer=Output(featurize_run, "transformer"),
    )
    train_baseline_run = train_baseline.submit(
        workspace=workspace,
        features=Output(featurize_run, "features"),
        transformer=Output(featurize_run, "transformer"),
    )
    evaluate_run = evaluate.submit(
        workspace=workspace,
        model=Output(train_run, "model"),
        train=Output(split_run, "train"),
        dev=Output(split_run, "dev"),
        test=Output(split_run, "test"),
    )
    evaluate_baseline_run = evaluate_baseline.submit(
        workspace=workspace,
        model=Output(train_baseline_run, "model"),
        train=Output(split_run, "train"),
        dev=Output(split_run, "dev"),
        test=Output(split_run, "test"),
    )
    explain_run = explain.submit(
        workspace=workspace,
        model=Output(train_run, "model"),
        test=Output(split_run, "test"),
    )
    decide_run = decide.submit(
        workspace=workspace,
        metrics=Output(evaluate_run, "metrics"),
        baseline=Output(evaluate_baseline_run, "metrics"),
        validation=Output(validate_run, "report"),
        manifest=Output(split_run, "manifest"),
        cross_validation=Output(cross_validate_run, "report"),
    )
    report_run = report.submit(
        workspace=workspace,
        profile=Output(ingest_run, "profile"),
        validation=Output(validate_run, "report"),
        manifest=Output(split_run, "manifest"),
        metrics=Output(evaluate_run, "metrics"),
        curves=Output(evaluate_run, "curves"),
        predictions=Output(evaluate_run, "predictions"),
        decision=Output(decide_run, "decision"),
        baseline=Output(evaluate_baseline_run, "metrics"),
        cross_validation=Output(cross_validate_run, "report"),
        importance=Output(explain_run, "importance"),
    )
    gate_run = gate.submit(
        workspace=workspace,
        decision=Output(decide_run, "decision"),
    )
    package_run = package.submit(
        workspace=workspace,
        model=Output(train_run, "model"),
        validation=Output(validate_run, "report"),
        metrics=Output(evaluate_run, "metrics"),
        decision=Output(decide_run, "decision"),
        gate=Output(gate_run, "report"),
    )
    register_run = register.submit(
        workspace=workspace,
        registry_root=registry_root,
        package=Output(package_run, "package"),
    )

    # Prefect fails a run only for what the flow returns: every future is waited for
    # and its state returned, so that the run is COMPLETED only if each step is.
    futures = {
        "ingest": ingest_run,
        "validate": validate_run,
        "check_data": check_data_run,
        "split": split_run,
        "featurize": featurize_run,
        "cross_validate": cross_validate_run,
        "train": train_run,
        "train_baseline": train_baseline_run,
        "evaluate": evaluate_run,
        "evaluate_baseline": evaluate_baseline_run,
        "explain": explain_run,
        "decide": decide_run,
        "report": report_run,
        "gate": gate_run,
        "package": package_run,
        "register": register_run,
    }
    wait(list(futures.values()))
    for step, future in futures.items():
        log.info("%s: %s", step, future.state.name)
    return [future.state for future in futures.values()]


if __name__ == "__main__":
    breast_cancer_flow()
