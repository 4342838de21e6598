"""The closed instruction set: each op's name, ports and meaning. `mlspec.runtime` has one module for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlspec.diagnostic import Finding, Severity
from mlspec.ir import Artifact, Op, Pipeline, Port

TABLE, REPORT, METRICS = Artifact.TABLE, Artifact.REPORT, Artifact.METRICS
TRANSFORMER, MODEL, HTML, PACKAGE = Artifact.TRANSFORMER, Artifact.MODEL, Artifact.HTML, Artifact.PACKAGE

INGEST = Op(
    "ingest", "Read every source, combine them, and write one typed table.", (), (Port("data", TABLE), Port("profile", REPORT))
)
VALIDATE = Op(
    "validate",
    "Check every row against the schema and the checks; set failing rows aside.",
    (Port("data", TABLE),),
    (Port("data", TABLE), Port("quarantine", TABLE), Port("report", REPORT)),
)
GATE = Op(
    "gate", "Fail the run unless the verdict it is given is a pass.", (Port("decision", REPORT),), (Port("report", REPORT),)
)
SPLIT = Op(
    "split",
    "Deal the rows to train, dev and test by identity, and prove that nothing leaks between them.",
    (Port("data", TABLE), Port("gate", REPORT, optional=True)),
    (Port("train", TABLE), Port("dev", TABLE), Port("test", TABLE), Port("manifest", REPORT)),
)
FEATURIZE = Op(
    "featurize",
    "Fit the feature transforms on the training rows and apply them.",
    (Port("train", TABLE), Port("chosen", REPORT, optional=True)),
    (Port("transformer", TRANSFORMER), Port("features", TABLE)),
)
TRAIN = Op(
    "train",
    "Fit the model on the training features and join it to the transformer that makes them.",
    (
        Port("features", TABLE),
        Port("transformer", TRANSFORMER),
        Port("chosen", REPORT, optional=True),
        Port("teacher", MODEL, optional=True),
        Port("train", TABLE, optional=True),
    ),
    (Port("model", MODEL),),
)
CROSS_VALIDATE = Op(
    "cross_validate",
    "Refit transforms and model on folds of the training rows to see how much a score moves.",
    (Port("train", TABLE), Port("chosen", REPORT, optional=True)),
    (Port("report", REPORT),),
)
FOLD = Op(
    "fold",
    "Refit transforms and model without one fold of the training rows, and score them on it.",
    (Port("train", TABLE), Port("chosen", REPORT, optional=True)),
    (Port("score", REPORT),),
)
COLLECT = Op("collect", "Put the scores of all folds together.", open=True)
PICK = Op(
    "pick",
    "Keep the rows of one item.",
    (Port("data", TABLE), Port("profile", REPORT), Port("gate", REPORT, optional=True)),
    (Port("data", TABLE), Port("profile", REPORT)),
)
SUGGEST = Op("suggest", "Draw the hyperparameters of the next trials.", open=True)
TRIAL = Op(
    "trial",
    "Fit transforms and model with the hyperparameters of one trial, and score them on rows that are no test rows.",
    (Port("train", TABLE), Port("dev", TABLE, optional=True), Port("trials", REPORT)),
    (Port("score", REPORT),),
)
CHOOSE = Op("choose", "Choose the hyperparameters of the best trial.", open=True)
SUMMARIZE = Op("summarize", "Put the verdicts on all items together, as data and as a page.", open=True)
EVALUATE = Op(
    "evaluate",
    "Score the model on raw rows of every split, with confidence intervals, slices and curves.",
    (Port("model", MODEL), Port("train", TABLE), Port("dev", TABLE), Port("test", TABLE)),
    (Port("metrics", METRICS), Port("predictions", TABLE), Port("curves", REPORT)),
)
EXPLAIN = Op(
    "explain",
    "Measure how much each raw column matters to the model's score.",
    (Port("model", MODEL), Port("test", TABLE)),
    (Port("importance", REPORT),),
)
DECIDE = Op(
    "decide",
    "Hold every requirement against the evidence and write the verdicts down.",
    (
        Port("metrics", METRICS),
        Port("baseline", METRICS, optional=True),
        Port("validation", REPORT),
        Port("manifest", REPORT),
        Port("cross_validation", REPORT, optional=True),
    ),
    (Port("decision", REPORT),),
)
REPORT_OP = Op(
    "report",
    "Draw the evidence as one page that opens offline.",
    (
        Port("profile", REPORT),
        Port("validation", REPORT),
        Port("manifest", REPORT),
        Port("metrics", METRICS),
        Port("curves", REPORT),
        Port("predictions", TABLE),
        Port("decision", REPORT),
        Port("baseline", METRICS, optional=True),
        Port("cross_validation", REPORT, optional=True),
        Port("importance", REPORT, optional=True),
        Port("chosen", REPORT, optional=True),
        Port("teacher", METRICS, optional=True),
    ),
    (Port("page", HTML),),
)
EXPORT = Op(
    "export",
    "Write the model in a device's format and prove on every test row that it still is the model.",
    (
        Port("model", MODEL),
        Port("train", TABLE),
        Port("test", TABLE),
        Port("metrics", METRICS),
        Port("gate", REPORT),
    ),
    (Port("bundle", PACKAGE), Port("proof", REPORT), Port("timing", REPORT)),
)
SHIP = Op("ship", "Put the exports together for their devices, and hold them against their limits.", open=True)
PACKAGE_OP = Op(
    "package",
    "Put model, input schema, environment, spec and evidence into one directory.",
    (
        Port("model", MODEL),
        Port("validation", REPORT),
        Port("metrics", METRICS),
        Port("decision", REPORT),
        Port("gate", REPORT),
        Port("chosen", REPORT, optional=True),
        Port("edge", PACKAGE, optional=True),
        Port("gate_exports", REPORT, optional=True),
    ),
    (Port("package", PACKAGE),),
)
REGISTER = Op(
    "register", "Enter the package in the model registry as a new version.", (Port("package", PACKAGE),), (Port("entry", REPORT),)
)
PYTHON = Op("python", "Call the user's own function.", open=True)
CONTAINER = Op("container", "Run the user's own command in a container.", open=True)
APPROVE = Op("approve", "Wait for a person's yes; a no, or no answer in time, fails the run.", open=True)
NOTIFY = Op("notify", "Tell people how the run ended.")
GROUP = Op("group", "Run several steps as one, in their order.", open=True)

ALL: dict[str, Op] = {
    op.name: op
    for op in (
        INGEST,
        VALIDATE,
        GATE,
        SPLIT,
        FEATURIZE,
        TRAIN,
        CROSS_VALIDATE,
        EVALUATE,
        EXPLAIN,
        DECIDE,
        REPORT_OP,
        PACKAGE_OP,
        REGISTER,
        PYTHON,
        CONTAINER,
        APPROVE,
        NOTIFY,
        GROUP,
        PICK,
        SUGGEST,
        TRIAL,
        CHOOSE,
        FOLD,
        COLLECT,
        SUMMARIZE,
        EXPORT,
        SHIP,
    )
}


def extras(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the locks, besides that of its backend, which the steps of a pipeline need: for exports, for networks."""
    asked = list(_asked(pipeline))
    exports = {params["export"]["kind"] for name, params in asked if name == EXPORT.name}
    models = {str((params.get("model") or {}).get("kind", "")).partition(".")[0] for _, params in asked}
    network = next(((name,) for name in ("keras", "torch") if name in models), ())  # the lock of Keras holds PyTorch, too
    return (*(("edge",) if exports else ()), *(("coreml",) if "coreml" in exports else ()), *network)


def unkept(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield a finding where training is to keep states: an orchestrator has no place for them that outlives a machine."""
    if any((params.get("training") or {}).get("checkpoint") for _, params in _asked(pipeline)):
        yield Finding(
            "checkpoints-without-a-place",
            "training keeps its states in the folder that `MLSPEC_CHECKPOINTS` names, and starts afresh where there is none",
            ("training", "checkpoint"),
            Severity.WARNING,
            help="set the variable to a volume that the next try of a step finds again",
        )


def _asked(pipeline: Pipeline) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the params of each step, those in groups included."""
    for step in pipeline.steps:
        yield step.op.name, step.params
        if step.op is GROUP:
            yield from ((one["op"], one["params"]) for one in step.params["steps"])
