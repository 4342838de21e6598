"""breast-cancer

Written by mlspec. Each step runs one step of the spec's pipeline on files; ZenML keeps
the files as artifacts, by content.
"""

from typing import Annotated, Any

from zenml import ArtifactConfig, step
from zenml.config.cache_policy import CachePolicy
from zenml.enums import ArtifactType

from breast_cancer_pipeline.files import (
    File,
    code_version,
    perform,
    promoted,
    restored,
)

CACHE = CachePolicy(cache_func=code_version)


@step(
    name="ingest",
    enable_cache=False,
)
def ingest(
    data_root: str,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_ingest_data",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_ingest_profile",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Read every source, combine them, and write one typed table.

    From the spec's data.sources.
    """
    made = perform(
        "ingest",
        step="ingest",
        inputs={},
        outputs={
            "data": "table",
            "profile": "report",
        },
        params={
            **restored(params),
            "data_root": data_root,
        },
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["data"],
        made["profile"],
    )


@step(
    name="validate",
    cache_policy=CACHE,
)
def validate(
    data: File,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_validate_data",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_validate_quarantine",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_validate_report",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Check every row against the schema and the checks; set failing rows aside.

    From the spec's data.columns, data.checks.
    """
    made = perform(
        "validate",
        step="validate",
        inputs={
            "data": data,
        },
        outputs={
            "data": "table",
            "quarantine": "table",
            "report": "report",
        },
        params=restored(params),
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["data"],
        made["quarantine"],
        made["report"],
    )


@step(
    name="check_data",
    enable_cache=False,
)
def check_data(
    decision: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_check_data_report",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's data.on_failure.
    """
    made = perform(
        "gate",
        step="check_data",
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report",
        },
        params=restored(params),
    )
    return made["report"]


@step(
    name="split",
    cache_policy=CACHE,
)
def split(
    data: File,
    gate: File,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_split_train",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_split_dev",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_split_test",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_split_manifest",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Deal the rows to train, dev and test by identity, and prove that nothing leaks
    between them.

    From the spec's splits.
    """
    made = perform(
        "split",
        step="split",
        inputs={
            "data": data,
            "gate": gate,
        },
        outputs={
            "dev": "table",
            "manifest": "report",
            "test": "table",
            "train": "table",
        },
        params=restored(params),
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["train"],
        made["dev"],
        made["test"],
        made["manifest"],
    )


@step(
    name="featurize",
    cache_policy=CACHE,
)
def featurize(
    train: File,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_featurize_transformer",
            artifact_type=ArtifactType.MODEL,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_featurize_features",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Fit the feature transforms on the training rows and apply them.

    From the spec's features, data.columns.
    """
    made = perform(
        "featurize",
        step="featurize",
        inputs={
            "train": train,
        },
        outputs={
            "features": "table",
            "transformer": "transformer",
        },
        params=restored(params),
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["transformer"],
        made["features"],
    )


@step(
    name="cross_validate",
    cache_policy=CACHE,
)
def cross_validate(
    train: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_cross_validate_report",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    From the spec's training.cross_validation.
    """
    made = perform(
        "cross_validate",
        step="cross_validate",
        inputs={
            "train": train,
        },
        outputs={
            "report": "report",
        },
        params=restored(params),
    )
    return made["report"]


@step(
    name="train",
    cache_policy=CACHE,
)
def train(
    features: File,
    transformer: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_train_model",
        artifact_type=ArtifactType.MODEL,
    ),
]:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's model, training.
    """
    made = perform(
        "train",
        step="train",
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model",
        },
        params=restored(params),
    )
    return made["model"]


@step(
    name="train_baseline",
    cache_policy=CACHE,
)
def train_baseline(
    features: File,
    transformer: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_train_baseline_model",
        artifact_type=ArtifactType.MODEL,
    ),
]:
    """Fit the model on the training features and join it to the transformer that makes
    them.

    From the spec's baseline.
    """
    made = perform(
        "train",
        step="train_baseline",
        inputs={
            "features": features,
            "transformer": transformer,
        },
        outputs={
            "model": "model",
        },
        params=restored(params),
    )
    return made["model"]


@step(
    name="evaluate",
    cache_policy=CACHE,
)
def evaluate(
    model: File,
    train: File,
    dev: File,
    test: File,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_metrics",
            artifact_type=ArtifactType.DATA_ANALYSIS,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_predictions",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_curves",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's evaluation, requirements.
    """
    made = perform(
        "evaluate",
        step="evaluate",
        inputs={
            "model": model,
            "train": train,
            "dev": dev,
            "test": test,
        },
        outputs={
            "curves": "report",
            "metrics": "metrics",
            "predictions": "table",
        },
        params=restored(params),
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["metrics"],
        made["predictions"],
        made["curves"],
    )


@step(
    name="evaluate_baseline",
    cache_policy=CACHE,
)
def evaluate_baseline(
    model: File,
    train: File,
    dev: File,
    test: File,
    params: dict[str, Any],
) -> tuple[
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_baseline_metrics",
            artifact_type=ArtifactType.DATA_ANALYSIS,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_baseline_predictions",
            artifact_type=ArtifactType.DATA,
        ),
    ],
    Annotated[
        File,
        ArtifactConfig(
            name="breast-cancer_evaluate_baseline_curves",
            artifact_type=ArtifactType.DATA,
        ),
    ],
]:
    """Score the model on raw rows of every split, with confidence intervals, slices and
    curves.

    From the spec's baseline, evaluation.beat_baseline_by.
    """
    made = perform(
        "evaluate",
        step="evaluate_baseline",
        inputs={
            "model": model,
            "train": train,
            "dev": dev,
            "test": test,
        },
        outputs={
            "curves": "report",
            "metrics": "metrics",
            "predictions": "table",
        },
        params=restored(params),
    )
    # ZenML reads this line: what it returns must be written out as a tuple
    return (
        made["metrics"],
        made["predictions"],
        made["curves"],
    )


@step(
    name="explain",
    cache_policy=CACHE,
)
def explain(
    model: File,
    test: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_explain_importance",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Measure how much each raw column matters to the model's score.

    From the spec's evaluation.explain.
    """
    made = perform(
        "explain",
        step="explain",
        inputs={
            "model": model,
            "test": test,
        },
        outputs={
            "importance": "report",
        },
        params=restored(params),
    )
    return made["importance"]


@step(
    name="decide",
    cache_policy=CACHE,
)
def decide(
    metrics: File,
    baseline: File,
    validation: File,
    manifest: File,
    cross_validation: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_decide_decision",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Hold every requirement against the evidence and write the verdicts down.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    made = perform(
        "decide",
        step="decide",
        inputs={
            "metrics": metrics,
            "baseline": baseline,
            "validation": validation,
            "manifest": manifest,
            "cross_validation": cross_validation,
        },
        outputs={
            "decision": "report",
        },
        params=restored(params),
    )
    return made["decision"]


@step(
    name="report",
    cache_policy=CACHE,
)
def report(
    profile: File,
    validation: File,
    manifest: File,
    metrics: File,
    curves: File,
    predictions: File,
    decision: File,
    baseline: File,
    cross_validation: File,
    importance: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_report_page",
        artifact_type=ArtifactType.DATA_ANALYSIS,
    ),
]:
    """Draw the evidence as one page that opens offline.

    From the spec's project.
    """
    made = perform(
        "report",
        step="report",
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
            "page": "html",
        },
        params=restored(params),
    )
    return made["page"]


@step(
    name="gate",
    enable_cache=False,
)
def gate(
    decision: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_gate_report",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Fail the run unless the verdict it is given is a pass.

    From the spec's requirements.metrics[0].target, requirements.metrics[1].target,
    data, splits.
    """
    made = perform(
        "gate",
        step="gate",
        inputs={
            "decision": decision,
        },
        outputs={
            "report": "report",
        },
        params=restored(params),
    )
    return made["report"]


@step(
    name="package",
    cache_policy=CACHE,
)
def package(
    model: File,
    validation: File,
    metrics: File,
    decision: File,
    gate: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_package_package",
        artifact_type=ArtifactType.MODEL,
    ),
]:
    """Put model, input schema, environment, spec and evidence into one directory.

    From the spec's project, model.
    """
    made = perform(
        "package",
        step="package",
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
        params=restored(params),
    )
    return made["package"]


@step(
    name="register",
    enable_cache=False,
)
def register(
    registry_root: str,
    package: File,
    params: dict[str, Any],
) -> Annotated[
    File,
    ArtifactConfig(
        name="breast-cancer_register_entry",
        artifact_type=ArtifactType.DATA,
    ),
]:
    """Enter the package in the model registry as a new version.

    From the spec's registry.
    """
    made = perform(
        "register",
        step="register",
        inputs={
            "package": package,
        },
        outputs={
            "entry": "report",
        },
        params={
            **restored(params),
            "registry_root": registry_root,
        },
    )
    promoted(
        stage="staging",
        entry=made["entry"].path,
        package=package.path,
    )
    return made["entry"]
