"""breast-cancer

Radiologists want a second reading of fine-needle samples, ranked by risk.

Written by mlspec for Kubeflow Pipelines 2.17.0. `python pipeline.py` compiles it to pipeline.yaml.
A component sees nothing of this module or of params.py: KFP ships the text of its
function alone, and its parameters as text.
"""

import base64
import bz2
import json

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
    OutputPath,
)

# isort: split
import cluster
import params


def text(params):
    """Write a step's parameters as the text that its task takes.

    As text, because integers inside a dict or list would reach the task as floats;
    without two braces in a row, because KFP would take them for a placeholder; packed
    where they are long, because one argument of a process holds 128 KiB.
    """
    plain = json.dumps(params, sort_keys=True).replace("{{", "{\\u007b")
    if len(plain) <= 32768:
        return plain
    return base64.b64encode(bz2.compress(plain.encode())).decode()


def place(task, secrets=None, node=None, spot=False, seconds=None):
    """Say what Kubernetes must know of a task's pod: from the spec, and of cluster.py.

    This goes into a document of its own, which Vertex AI Pipelines does not read.
    """
    if not (secrets or node or spot or seconds or cluster.VOLUMES or cluster.PULL):
        return
    from kfp import kubernetes

    for path, claim in cluster.VOLUMES.items():
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path=path)
    if cluster.PULL:
        kubernetes.set_image_pull_secrets(task, cluster.PULL)
    for variable, reference in (secrets or {}).items():
        store, _, rest = reference.partition(":")
        secret, _, key = rest.partition("/")
        if store == "env":
            secret, key = cluster.ENVIRONMENT, rest
        kubernetes.use_secret_as_env(
            task, secret_name=secret, secret_key_to_env={key: variable}
        )
    for label, value in (node or {}).items():
        kubernetes.add_node_selector(task, label_key=label, label_value=value)
    if spot:
        for toleration in cluster.SPOT_TOLERATIONS:
            kubernetes.add_toleration(task, **toleration)
        for label, value in cluster.SPOT_LABELS.items():
            term = {"key": label, "operator": "In", "values": [value]}
            kubernetes.add_node_affinity(task, match_expressions=[term], weight=100)
    if seconds:
        kubernetes.set_timeout(task, seconds=seconds)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def look(
    seen: OutputPath(str),
    data_root: str,
    op: str,
    params: str,
    seconds: str,
):
    """Say by a digest what lies behind a step: sources, libraries, the span of time.

    KFP's cache knows a step's arguments and not the files that they name. This task is
    never cached; the step after it is, for as long as the digest stays what it is.
    """
    import time
    import uuid

    from mlspec.diagnostic import Problem
    from mlspec.runtime import argument, artifact, content

    asked = argument.read(params)
    given = {
        "data_root": data_root,
    }
    given = {name: value for name, value in given.items() if name in asked}
    try:
        told = content.parts(
            op,
            {**asked, **given},
            bound=sorted(given),
            inputs={},
            outputs=[],
            file_digest=artifact.digest,
        )
    except (OSError, Problem) as error:
        print(error)  # the step itself will stop at it, and say why
        told = None
    # What cannot be told beforehand (a database) is something new each time.
    digest = uuid.uuid4().hex if told is None else content.key(told)
    if float(seconds):
        digest += f" {time.time() // float(seconds):.0f}"
    with open(seen, "w", encoding="utf-8") as file:
        file.write(digest)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def ingest(
    data: Output[Dataset],
    profile: Output[Artifact],
    data_root: str,
    seen: str,
    params: str,
):
    """Read every source, combine them, and write one typed table.

    Spec: data.sources
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "ingest",
        outputs={
            "data": data.path,
            "profile": profile.path,
        },
        params={
            **argument.read(params),
            "data_root": data_root,
        },
        step="ingest",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data.metadata.update(shown)
    profile.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="validate",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    data_out.metadata.update(shown)
    quarantine.metadata.update(shown)
    report.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def check_data(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: data.on_failure
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=argument.read(params),
        step="check_data",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="split",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    train.metadata.update(shown)
    dev.metadata.update(shown)
    test.metadata.update(shown)
    manifest.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def featurize(
    train: Input[Dataset],
    transformer: Output[Artifact],
    features: Output[Dataset],
    params: str,
):
    """Fit the feature transforms on the training rows and apply them.

    Spec: features, data.columns
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "featurize",
        inputs={
            "train": train.path,
        },
        outputs={
            "transformer": transformer.path,
            "features": features.path,
        },
        params=argument.read(params),
        step="featurize",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    transformer.metadata.update(shown)
    features.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def cross_validate(
    train: Input[Dataset],
    report: Output[Artifact],
    params: str,
):
    """Refit transforms and model on folds of the training rows to see how much a score
    moves.

    Spec: training.cross_validation
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "cross_validate",
        inputs={
            "train": train.path,
        },
        outputs={
            "report": report.path,
        },
        params=argument.read(params),
        step="cross_validate",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=argument.read(params),
        step="train",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "train",
        inputs={
            "features": features.path,
            "transformer": transformer.path,
        },
        outputs={
            "model": model.path,
        },
        params=argument.read(params),
        step="train_baseline",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    model.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="evaluate",
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


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="evaluate_baseline",
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


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def explain(
    model: Input[Model],
    test: Input[Dataset],
    importance: Output[Artifact],
    params: str,
):
    """Measure how much each raw column matters to the model's score.

    Spec: evaluation.explain
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "explain",
        inputs={
            "model": model.path,
            "test": test.path,
        },
        outputs={
            "importance": importance.path,
        },
        params=argument.read(params),
        step="explain",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    importance.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="decide",
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


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="report",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    page.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def gate(
    decision: Input[Artifact],
    report: Output[Artifact],
    params: str,
):
    """Fail the run unless the verdict it is given is a pass.

    Spec: requirements.metrics[0].target, requirements.metrics[1].target, data, splits
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "gate",
        inputs={
            "decision": decision.path,
        },
        outputs={
            "report": report.path,
        },
        params=argument.read(params),
        step="gate",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    report.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
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
    from mlspec import runtime
    from mlspec.runtime import argument

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
        params=argument.read(params),
        step="package",
    )
    shown = {name: value for name, value in facts.items() if value is not None}
    package.metadata.update(shown)


@dsl.component(base_image=cluster.IMAGE, install_kfp_package=False)
def register(
    package: Input[Model],
    entry: Output[Artifact],
    registry_root: str,
    params: str,
):
    """Enter the package in the model registry as a new version.

    Spec: registry
    """
    from mlspec import runtime
    from mlspec.runtime import argument

    facts = runtime.run(
        "register",
        inputs={
            "package": package.path,
        },
        outputs={
            "entry": entry.path,
        },
        params={
            **argument.read(params),
            "registry_root": registry_root,
        },
        step="register",
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
    seen = look(
        data_root=data_root,
        op="ingest",
        params=text(params.INGEST),
        seconds="0",
    )
    seen.set_caching_options(False)
    place(seen)
    ingest_task = ingest(
        data_root=data_root,
        seen=seen.outputs["seen"],
        params=text(params.INGEST),
    )
    place(ingest_task)

    validate_task = validate(
        data=ingest_task.outputs["data"],
        params=text(params.VALIDATE),
    )
    place(validate_task)

    check_data_task = check_data(
        decision=validate_task.outputs["report"],
        params=text(params.CHECK_DATA),
    )
    place(check_data_task)

    split_task = split(
        data=validate_task.outputs["data_out"],
        gate=check_data_task.outputs["report"],
        params=text(params.SPLIT),
    )
    place(split_task)

    featurize_task = featurize(
        train=split_task.outputs["train"],
        params=text(params.FEATURIZE),
    )
    place(featurize_task)

    cross_validate_task = cross_validate(
        train=split_task.outputs["train"],
        params=text(params.CROSS_VALIDATE),
    )
    place(cross_validate_task)

    train_task = train(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(params.TRAIN),
    )
    place(train_task)

    train_baseline_task = train_baseline(
        features=featurize_task.outputs["features"],
        transformer=featurize_task.outputs["transformer"],
        params=text(params.TRAIN_BASELINE),
    )
    place(train_baseline_task)

    evaluate_task = evaluate(
        model=train_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(params.EVALUATE),
    )
    place(evaluate_task)

    evaluate_baseline_task = evaluate_baseline(
        model=train_baseline_task.outputs["model"],
        train=split_task.outputs["train"],
        dev=split_task.outputs["dev"],
        test=split_task.outputs["test"],
        params=text(params.EVALUATE_BASELINE),
    )
    place(evaluate_baseline_task)

    explain_task = explain(
        model=train_task.outputs["model"],
        test=split_task.outputs["test"],
        params=text(params.EXPLAIN),
    )
    place(explain_task)

    decide_task = decide(
        metrics=evaluate_task.outputs["metrics"],
        baseline=evaluate_baseline_task.outputs["metrics"],
        validation=validate_task.outputs["report"],
        manifest=split_task.outputs["manifest"],
        cross_validation=cross_validate_task.outputs["report"],
        params=text(params.DECIDE),
    )
    place(decide_task)

    report_task = report(
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
        params=text(params.REPORT),
    )
    place(report_task)

    gate_task = gate(
        decision=decide_task.outputs["decision"],
        params=text(params.GATE),
    )
    place(gate_task)

    package_task = package(
        model=train_task.outputs["model"],
        validation=validate_task.outputs["report"],
        metrics=evaluate_task.outputs["metrics"],
        decision=decide_task.outputs["decision"],
        gate=gate_task.outputs["report"],
        params=text(params.PACKAGE),
    )
    place(package_task)

    register_task = register(
        package=package_task.outputs["package"],
        registry_root=registry_root,
        params=text(params.REGISTER),
    )
    register_task.set_caching_options(False)
    place(register_task)


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "pipeline.yaml")
