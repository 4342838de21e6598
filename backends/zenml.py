"""ZenML: typed steps with named artifacts, a static pipeline tied to a model, and a runner on the local stack."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator
from typing import Any

from mlspec import render
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Problem, Severity, dotted
from mlspec.ir import Artifact, Parameter, Pipeline, Resources, Step

NAME = "zenml"
TITLE = "ZenML"
REQUIRES = ("zenml", "sqlalchemy_utils", "polars", "sklearn")

REALISES = {
    "steps": "one `@step` a step in a static `@pipeline`, which every orchestrator of ZenML takes; its body calls "
    "`mlspec.runtime`",
    "parameters": "parameters of the pipeline. A step's own params are its parameter `params`, written down in `params.py` and "
    "shown with the run",
    "artifacts": "named artifacts (`ArtifactConfig`) by a materializer that keeps files as they are, gives ZenML their SHA-256 "
    "and the step's facts as metadata; a `Model` of the project's name links them to its versions",
    "metrics": "metadata of step and artifact; metrics and verdicts as Markdown, the report as HTML, other reports as JSON "
    "visualizations",
    "gate": "a step that fails, under `ExecutionMode.CONTINUE_ON_FAILURE`: what takes its output does not start, the report "
    "does, and the run has failed",
    "retries": "`StepRetryConfig`: 1 s, doubling (for more than 6 retries 30 s each); never for a gate",
    "timeout": "mlspec's runtime: a child process that is killed when the time is up; then retries apply",
    "caching": "ZenML's own cache on content hashes, with a `CachePolicy` that adds mlspec, libraries and `src/`. `ingest`, "
    "`register`, gates and steps that take a parameter of the run are never cached",
    "resources": "`ResourceSettings`: cores, memory, and accelerators by number, without their kind",
    "schedule": "`deploy.py --schedule`: the cron expression without its time zone, where the stack's orchestrator takes "
    "schedules (the local one refuses them)",
    "user_code": "`src/`, put on `PYTHONPATH`; steps of your own are steps like the others",
    "local_run": "`run.py`: ZenML's default local stack, with its configuration, SQLite database and artifacts in the workspace; "
    "no server",
    "verified": "the local stack 0.98 runs the gallery, failing gates, retries, time limits, caching and signals, without a "
    "network; `deploy.py` ran on it. No remote orchestrator, no server and no image build was run",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

TYPES = {
    Artifact.TABLE: "data",
    Artifact.REPORT: "data",
    Artifact.METRICS: "data_analysis",
    Artifact.TRANSFORMER: "model",
    Artifact.MODEL: "model",
    Artifact.HTML: "data_analysis",
    Artifact.PACKAGE: "model",
    Artifact.FILE: "data",
}
"""ZenML's artifact type for each of ours."""

OUTSIDE = frozenset({"ingest", "register", "gate"})
"""Ops that ZenML must not cache: they read or change what is not an input, or are the verdict itself."""

_USED_IN_STEPS = frozenset(
    ("Annotated", "Any", "ArtifactConfig", "ArtifactType", "CACHE", "CachePolicy", "File", "ResourceSettings", "StepRetryConfig")
) | {"code_version", "made", "perform", "restored", "step", *dir(builtins)}
_USED_IN_PIPELINE = frozenset(("ExecutionMode", "Model", "inert", "params", "pipeline", "steps")) | {*dir(builtins)}

_OF_A_CALL = ("after", "id", "self", "start_after")
"""ZenML's own arguments of a step's call."""

DOUBLINGS, LONG_PAUSE = 6, 30
"""Tries that wait 1, 2, 4 … s; ZenML cannot end the doubling, so that more of them wait the same long time each."""

TAKEN = frozenset(("help", "params", "schedule", "self", "steps"))
"""Names of the pipeline's modules and of the options of `deploy.py`: no parameter can have them."""

LONGEST_TEXT = 16_000
"""Characters of a description: ZenML keeps 65,535 bytes."""


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project for a pipeline. The same pipeline gives the same bytes; ZenML need not be installed."""
    names = _Names(pipeline)
    steps = [_step(pipeline, step, names) for step in pipeline.steps]
    cached, retried, asking = (any(step[name] for step in steps) for name in ("cached", "retries", "resources"))
    given = any(step["outputs"] for step in steps)
    shared: dict[str, Any] = {
        "title": pipeline.name or "Pipeline",
        "headline": pipeline.description or pipeline.name or "Pipeline",
        "description": pipeline.description[:LONGEST_TEXT].replace("${", "$ {"),
        "slug": names.slug,
        "package": names.package,
        "function": names.function,
        "steps": steps,
        "parameters": [_parameter(one) for one in pipeline.parameters],
        "schedule": _schedule(pipeline),
        "lacks": [f"{dotted(one.route)}: {one.message}; {one.help}." for one in lacks(pipeline)],
        "places": [one.name for one in pipeline.parameters if one.name in ("data_root", "registry_root")],
        # what steps.py imports
        "cached": cached,
        "given": given,
        "configured": [name for name, used in (("ResourceSettings", asking), ("StepRetryConfig", retried)) if used],
        "used": [name for name, used in (("File", given), ("code_version", cached)) if used] + ["perform", "restored"],
    }
    bundle = Bundle()
    bundle.add("README.md", render.render("zenml/README.md.j2", **shared))
    bundle.add("Dockerfile", render.render("zenml/Dockerfile.j2"))
    bundle.add(".dockerignore", "**/__pycache__\n.git\nregistry\nworkspace\n")
    bundle.add("requirements.txt", lock("zenml"))
    bundle.add("wheels/README.md", "mlspec's own wheel lies here: `mlspec wheel -o wheels`\n")
    bundle.add("production.yaml", render.yaml({"settings": {"docker": {"dockerfile": "Dockerfile", "build_context_root": "."}}}))
    bundle.add("trace.json", render.json(_trace(pipeline)))
    bundle.add("run.py", render.render("zenml/run.py.j2", **shared))
    bundle.add("deploy.py", render.render("zenml/deploy.py.j2", **shared))
    bundle.add(f"{names.package}/__init__.py", '"""A pipeline that mlspec has written."""\n')
    for module in ("files", "params", "pipeline", "steps"):
        bundle.add(f"{names.package}/{module}.py", render.render(f"zenml/{module}.py.j2", **shared))
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """ZenML's schedules have no time zone; its resources count accelerators without saying which."""
    if pipeline.schedule and pipeline.schedule.timezone not in ("UTC", "Etc/UTC"):
        yield Finding(
            "schedule-without-time-zone",
            f"ZenML hands a cron expression on without its time zone, {pipeline.schedule.timezone}",
            ("pipeline", "timezone"),
            Severity.WARNING,
            "most orchestrators read it as UTC: give the schedule in UTC, or set the zone in your orchestrator",
        )
    for step in pipeline.steps:
        if step.resources.accelerator is not None:
            yield Finding(
                "accelerator-by-count",
                f"ZenML asks for one accelerator for the step {step.id}, not for a {step.resources.accelerator}",
                ("hardware", "training", "accelerator"),
                Severity.WARNING,
                "choose the kind in your orchestrator's settings (node selector, machine type)",
            )
            return


class _Names:
    """The Python names of package, pipeline, steps and variables: each one different, none of them taken."""

    def __init__(self, pipeline: Pipeline) -> None:
        label = render.slug(pipeline.name, longest=30).replace("-", "_")
        modules = {path.split("/")[0].removesuffix(".py") for path in pipeline.code}
        self.slug = render.slug(pipeline.name)
        self.package = render.identifier(f"{label}_pipeline", modules)
        self.function = self.package
        used = set(_USED_IN_STEPS)
        self.functions = {step.id: _take(step.id, used) for step in pipeline.steps}
        used = set(_USED_IN_PIPELINE) | {self.function, *(one.name for one in pipeline.parameters)}
        taken = {(ref.step, ref.output) for step in pipeline.steps for ref in step.inputs.values()}
        self.variables = {
            (step.id, port.name): _take(f"{'' if (step.id, port.name) in taken else '_'}{step.id}_{port.name}", used)
            for step in pipeline.steps
            for port in step.output_ports
        }
        self.taken = taken


def _take(wanted: str, used: set[str]) -> str:
    name = render.identifier(wanted, used)
    used.add(name)
    return name


def _step(pipeline: Pipeline, step: Step, names: _Names) -> dict[str, Any]:
    used = {*_USED_IN_STEPS, *_OF_A_CALL}
    bindings = [
        {"param": param, "parameter": parameter, "argument": _take(param, used)}
        for param, parameter in sorted(step.bindings.items())
    ]
    inputs = [
        {
            "port": port.name,
            "argument": _take(port.name, used),
            "variable": names.variables[(step.inputs[port.name].step, step.inputs[port.name].output)],
        }
        for port in step.input_ports
        if port.name in step.inputs
    ]
    outputs = [
        {"port": port.name, "artifact": f"{names.slug}_{step.id}_{port.name}", "type": TYPES[port.artifact]}
        for port in step.output_ports
    ]
    retries = 0 if step.op.name == "gate" else step.retries  # a verdict does not change by asking again
    targets = [names.variables[(step.id, port.name)] for port in step.output_ports]
    argument = _take("params", used)
    return {
        "id": step.id,
        "op": step.op.name,
        "function": names.functions[step.id],
        "constant": step.id.upper(),
        "argument": argument,
        "summary": step.summary,
        "origin": f"From the spec's {', '.join(step.asked_by)}.",
        "routes": step.asked_by,
        "needs": step.needs,
        # what a step reads at a place that is chosen when a run starts, no cache key can know
        "cached": step.op.name not in OUTSIDE and not step.bindings,
        "retries": retries,
        "delay": 1 if retries <= DOUBLINGS else LONG_PAUSE,
        "backoff": 2 if retries <= DOUBLINGS else 1,
        "resources": _resources(step.resources),
        "timeout": step.timeout,
        "bindings": bindings,
        "inputs": inputs,
        "outputs": outputs,
        "ports": {output["artifact"]: output["port"] for output in outputs},
        "kinds": {port.name: port.artifact.value for port in step.output_ports},
        "params": dict(step.params),
        "long": len(f"        {argument}=inert(params.{step.id}),") > render.WIDTH,
        "targets": targets if any((step.id, port.name) in names.taken for port in step.output_ports) else [],
        "after": list(dict.fromkeys(step.after)),
    }


def _resources(asked: Resources) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []
    if asked.cpu is not None:
        told.append(("cpu_count", asked.cpu))
    if asked.accelerator is not None:
        told.append(("gpu_count", 1))
    if asked.memory is not None:
        told.append(("memory", f"{math.ceil(asked.memory / 2**20)}MiB"))
    return told


def _parameter(one: Parameter) -> dict[str, Any]:
    if one.name in TAKEN:
        raise Problem(
            Finding("parameter-taken", f"a parameter cannot be called {one.name!r}: ZenML projects have one of that name")
        )
    # argparse fills %-formats in help texts
    return {
        "name": one.name,
        "default": one.default,
        "summary": one.summary,
        "flag": f"--{one.name.replace('_', '-')}",
        "help": one.summary.replace("%", "%%"),
    }


def _schedule(pipeline: Pipeline) -> dict[str, str] | None:
    if pipeline.schedule is None:
        return None
    cron, timezone = pipeline.schedule.cron, pipeline.schedule.timezone
    told = f"start it by itself: {cron} (meant for {timezone})"
    return {"cron": cron, "timezone": timezone, "help": told.replace("%", "%%")}


def _trace(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "pipeline": pipeline.name,
        "steps": [
            {"id": step.id, "op": step.op.name, "stage": step.stage.value, "routes": step.asked_by, "needs": list(step.needs)}
            for step in pipeline.steps
        ],
    }
