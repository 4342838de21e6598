"""ZenML: typed steps with named artifacts, a static pipeline tied to a model, and a runner on the local stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec import ops, render, trace
from mlspec.bundle import Bundle, lock
from mlspec.diagnostic import Finding, Problem, Route, Severity, dotted
from mlspec.ir import Parameter, Pipeline, Step

from ._zenml import calls, machine, steps
from ._zenml.naming import Names, ages, arguments, cached

NAME = "zenml"
TITLE = "ZenML"
REQUIRES = ("zenml", "sqlalchemy_utils", "polars", "sklearn")

REALISES = {
    "steps": "one `@step` a step in a static `@pipeline`, which every orchestrator of ZenML takes; its body calls "
    "`mlspec.runtime`",
    "parameters": "parameters of the pipeline. A step's own params are its parameter `params`, written down in `params.py` and "
    "shown with the run",
    "artifacts": "named artifacts (`ArtifactConfig`) by a materializer that keeps files as they are, gives ZenML their SHA-256 "
    "and the step's facts as metadata; a `Model` of the project's name links them to its versions. `register` comes after every "
    "gate, notes metrics and the registry's version on the model version and promotes it: to `staging`, or to `production` where "
    "a person has approved",
    "metrics": "metadata of step, artifact and model version; metrics and verdicts as Markdown, the report as HTML, other "
    "reports as JSON visualizations",
    "gate": "a step that fails, under `ExecutionMode.CONTINUE_ON_FAILURE`: what takes its output does not start, the report "
    "does, and the run has failed",
    "branches": "steps that need nothing of each other, side by side where the orchestrator does so",
    "fan_out": "one `@step` for a family of steps, called in a loop with an `id` each; `substitutions` name the artifacts",
    "retries": "`StepRetryConfig`: 1 s, doubling (for more than 6 retries 30 s each); never for a gate or an approval",
    "timeout": "mlspec's runtime: a child process that is killed when the time is up; then retries apply",
    "caching": "ZenML's own cache on content hashes, with a `CachePolicy` that adds mlspec, libraries and `src/`. `ingest`, "
    "`register`, gates, approvals and steps that take a parameter of the run are never cached",
    "max_age": "`CachePolicy(expires_after=…)`, counted from when the result was made; another age is another key",
    "resources": "`ResourceSettings`: cores and memory",
    "accelerators": "`ResourceSettings(gpu_count=…)`",
    "placement": "`production.yaml`: pod settings of the Kubernetes orchestrator, with node selectors, and for spot the "
    "tolerations of GKE's and AKS's taints",
    "schedule": "`deploy.py --schedule`: the cron expression, where the stack's orchestrator takes schedules",
    "secrets": "ZenML's secret store, read when the step runs; the op has them in a process of its own. `deploy.py` says how to "
    "create those that are missing, and keeps variables of its own environment in one secret. `run.py` lends what this machine "
    "knows to its private store, encrypted with a key that nobody keeps, and takes it back at the end",
    "environment": "`@step(environment=…)`, in the key of the cache too; the op has them in a process of its own",
    "image": "`DockerSettings` in `production.yaml`: the project's `Dockerfile`, or the spec's image as it is (`skip_build`)",
    "containers": "mlspec's runtime calls docker or podman in the step",
    "approval": "a step that waits for an answer in the metadata of its run (`approve.py`, under the name of who is logged in to "
    "ZenML) or a file in `approvals_root`",
    "exit": "after success a last step; after a failure the pipeline's `on_failure` hook. The run's metadata says how it went, "
    "as ZenML swallows what a hook raises",
    "granularity": "what is one step of the pipeline is one step of ZenML",
    "checkpoints": "files in the folder that `MLSPEC_CHECKPOINTS` names: a volume that the next try of the step finds again",
    "logging": "ZenML's step logs; a failure names the lines of the spec and what to change",
    "user_code": "`src/`, put on `PYTHONPATH`; steps of your own are steps like the others",
    "local_run": "`run.py`: ZenML's default local stack, with its configuration, SQLite database and artifacts in the workspace; "
    "no server",
    "verified": "the local stack 0.98 runs the gallery, failing gates, retries, time limits, caching, families, secrets, "
    "approvals, exits, signals and a killed run, without a network; a local server with its client; `deploy.py` on both. Pod "
    "settings are validated with ZenML's own classes. No remote orchestrator and no image build was run",
}
"""How each notion of a pipeline is realised (`mlspec.backend.NOTIONS`)."""

LACKS = {
    "checkpoints": "such a folder by itself: without the variable training starts afresh after a break",
    "branches": "the local orchestrator runs one step after the other",
    "accelerators": "the kind: ZenML counts accelerators, a node label or machine type of your orchestrator chooses the kind",
    "placement": "orchestrators other than Kubernetes; taints of spot machines that are not GKE's or AKS's",
    "schedule": "the time zone: ZenML hands a cron expression on without one. The local orchestrator takes no schedule",
    "containers": "orchestrators whose steps cannot reach a container engine: ZenML runs a step in one image, with Python",
    "approval": "pausing: a static pipeline cannot, so the step keeps its machine while it waits. ZenML's own `wait` is for "
    "dynamic pipelines only, which Kubeflow's and Airflow's orchestrators do not run",
    "exit": "once and at the end: after failures each step that fails tells at once, with what has failed until then. A run that "
    "fails without a step that failed (no machine, no image) tells nobody",
    "distribution": "ZenML has no Dask or Ray cluster for the steps of a pipeline: its orchestrator runs them",
    "triggers": "runs that an event starts: the client of 0.98 has triggers, its open-source server does not dispatch them",
    "caching": "a changed retry, time limit or machine runs a step again, as they stand in its source",
}
"""What of each notion is not realised, and why."""

TAKEN = frozenset(("config", "configuration", "ending", "files", "help", "params", "schedule", "self", "steps", "vault"))
"""Names of the project's modules and of the options of `deploy.py`: no parameter can have them."""

LONGEST_TEXT = 16_000
"""Characters of a description: ZenML keeps 65,535 bytes."""


def emit(pipeline: Pipeline) -> Bundle:
    """Write the project for a pipeline. The same pipeline gives the same bytes; ZenML need not be installed."""
    names = Names(pipeline)
    shared = _shared(pipeline, names)
    modules = ["configuration", "files", "params", "pipeline", "steps"]
    modules += ["ending"] if pipeline.exit else []
    modules += ["vault"] if shared["secret"] else []
    bundle = Bundle()
    bundle.add("README.md", render.render("zenml/README.md.j2", **shared))
    bundle.add("Dockerfile", render.render("zenml/Dockerfile.j2"))
    bundle.add(".dockerignore", "**/__pycache__\n.git\nregistry\nworkspace\n")
    bundle.add("requirements.txt", lock("zenml", *ops.extras(pipeline)))
    bundle.add("wheels/README.md", "mlspec's own wheel lies here: `mlspec wheel -o wheels`\n")
    bundle.add("production.yaml", render.yaml(machine.configuration(pipeline)))
    bundle.add("trace.json", render.json(trace.document(pipeline, NAME, _more(pipeline, names))))
    for script in ("run", "deploy", *(["approve"] if shared["approvals"] else [])):
        bundle.add(f"{script}.py", render.render(f"zenml/{script}.py.j2", **shared))
    bundle.add(f"{names.package}/__init__.py", '"""A pipeline that mlspec has written."""\n')
    for module in sorted(modules):
        bundle.add(f"{names.package}/{module}.py", render.render(f"zenml/{module}.py.j2", **shared))
    for path, text in sorted(pipeline.code.items()):
        bundle.add(f"src/{path}", text)
    return bundle


def lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what of this pipeline ZenML cannot honour, or not on each stack."""
    yield from ops.unkept(pipeline)
    if pipeline.schedule and pipeline.schedule.timezone not in ("UTC", "Etc/UTC"):
        yield Finding(
            "schedule-without-time-zone",
            f"ZenML hands a cron expression on without its time zone, {pipeline.schedule.timezone}",
            ("pipeline", "timezone"),
            Severity.WARNING,
            "most orchestrators read it as UTC: give the schedule in UTC, or set the zone in your orchestrator",
        )
    if pipeline.distribution:
        yield Finding(
            "distribution-by-orchestrator",
            f"ZenML has no {pipeline.distribution.engine} for the steps of a pipeline: the stack's orchestrator runs them",
            ("pipeline", "parallelism"),
            Severity.WARNING,
            "leave it out here; choose an orchestrator that runs steps side by side",
        )
    for trigger in pipeline.triggers:
        yield Finding(
            "trigger-not-dispatched",
            f"ZenML's open-source server starts no run at the event {trigger.event}",
            trigger.route,
            Severity.WARNING,
            "have your monitoring call deploy.py",
        )
    yield from _machine_lacks(pipeline)
    for step in pipeline.steps:
        if step.op.name == "container":
            yield Finding(
                "container-in-step",
                f"the step {step.id} calls docker or podman from inside ZenML's own container",
                step.routes[0],
                Severity.INFO,
                "have an engine where the orchestrator runs its steps",
            )


def _machine_lacks(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is asked of machines in vain, once for each place of the spec that asks."""
    told: set[Route] = set()
    for step in pipeline.steps:
        asked, top = step.resources, _machine(step)
        if asked.accelerator is not None and (*top, "accelerator") not in told:
            yield Finding(
                "accelerator-by-count",
                f"ZenML asks for {asked.accelerators} of any accelerator for the step {step.id}, not for {asked.accelerator}",
                (*top, "accelerator"),
                Severity.WARNING,
                "choose the kind by `node`, or in your orchestrator's settings",
            )
        name = "node" if asked.node else "spot"
        if (asked.node or asked.spot) and (*top, name) not in told:
            yield Finding(
                "placement-by-kubernetes",
                f"only ZenML's Kubernetes orchestrator chooses the machine of the step {step.id}",
                (*top, name),
                Severity.INFO,
                "on another orchestrator, write its settings into production.yaml",
            )
        told |= {(*top, "accelerator")} if asked.accelerator is not None else set()
        told |= {(*top, name)} if asked.node or asked.spot else set()


def _machine(step: Step) -> Route:
    """Return where the spec says which machine a step asks for."""
    own = next((route for route in step.routes if len(route) > 1 and route[0] == "steps"), None)
    return (*own[:2], "resources") if own else ("hardware", "training")


def _shared(pipeline: Pipeline, names: Names) -> dict[str, Any]:
    """What every template may take."""
    functions = steps.functions(pipeline, names)
    called = calls.calls(pipeline, names)
    needed = {need for step in pipeline.steps for need in step.needs}
    kept = ages(pipeline)
    approvals = [step.id for step in pipeline.steps if step.op.name == "approve"]
    references = _references(pipeline)
    given, caches = any(one["outputs"] for one in functions), bool(kept)
    used = {
        "File": given,
        "approved": bool(approvals),
        "code_version": caches,
        "inert": bool(pipeline.exit),
        "perform": any(one["call"] == "perform" for one in functions),
        "promoted": any(one["promotion"] for one in functions),
        "restored": True,
    }
    configured = {"ResourceSettings": "resources", "StepRetryConfig": "retries"}
    return {
        "title": pipeline.name or "Pipeline",
        "headline": pipeline.description or pipeline.name or "Pipeline",
        "description": pipeline.description[:LONGEST_TEXT].replace("${", "$ {"),
        "slug": names.slug,
        "package": names.package,
        "function": names.function,
        "functions": functions,
        "calls": called,
        "tables": any(one["loop"] and one["tables"] for one in called),
        "constants": calls.constants(pipeline, names),
        "exits": [_exit(step, names) for step in pipeline.exit],
        "last": [step.id for step in pipeline.steps if step.id not in needed],
        "parameters": [_parameter(one) for one in pipeline.parameters],
        "schedule": _schedule(pipeline),
        "rows": [_row(step) for step in (*pipeline.steps, *pipeline.exit)],
        "lacks": [f"{dotted(one.route)}: {one.message}; {one.help}." for one in lacks(pipeline)],
        "places": [one.name for one in pipeline.parameters if one.name.endswith("_root") and one.name in ROOTS],
        "steps": [step.id for step in (*pipeline.steps, *pipeline.exit)],
        "uncached": [step.id for step in (*pipeline.steps, *pipeline.exit) if not cached(step)],
        "names": [one.name for one in pipeline.parameters],
        "hardware": [step.id for step in pipeline.steps if machine.resources(step.resources)],
        "image": pipeline.image,
        # secrets
        "secret": bool(references),
        "references": references,
        "environment_secret": f"{names.slug}-environment",
        "wanted": [{"name": name, "key": key} for store, name, key in references if store != "env"],
        "variables": [name for store, name, _ in references if store == "env"],
        # approvals and promotion
        "approvals": approvals,
        "approving": bool(approvals),
        "promoting": used["promoted"],
        "stage": next((one["promotion"]["stage"] for one in functions if one["promotion"]), ""),
        # what steps.py imports and begins with
        "caches": kept,
        "aged": [one for one in kept if one],
        "given": given,
        "configured": [name for name, field in configured.items() if any(one[field] for one in functions)],
        "used": [name for name, wanted in used.items() if wanted],
    }


ROOTS = frozenset(("approvals_root", "data_root", "registry_root"))
"""Parameters that `run.py` chooses a directory for."""


def _references(pipeline: Pipeline) -> list[list[str]]:
    """Return every secret that a step asks for, once: store, name, key."""
    every = [*pipeline.steps, *pipeline.exit]
    return [list(one) for one in sorted({tuple(told) for step in every for told in steps.secrets_of(step).values()})]


def _exit(step: Step, names: Names) -> dict[str, Any]:
    return {
        "id": step.id,
        "name": step.id,
        "op": step.op.name,
        "function": names.functions[step.id],
        "constant": names.constants[step.id],
        "argument": arguments(step)["params"],
        "summary": step.summary,
        "origin": f"From the spec's {', '.join(step.asked_by)}.",
        "plain": dict(step.environment),
        "secrets": steps.secrets_of(step),
        "timeout": step.timeout,
    }


def _row(step: Step) -> dict[str, Any]:
    return {"id": step.id, "summary": step.summary, "needs": step.needs, "routes": step.asked_by}


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


def _more(pipeline: Pipeline, names: Names) -> dict[str, dict[str, Any]]:
    """What `run.py` reads of each step besides: the port that each of its artifacts stands for."""
    return {
        step.id: {"ports": {names.artifact(step, port.name): port.name for port in step.output_ports}} for step in pipeline.steps
    }
