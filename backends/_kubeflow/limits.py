"""What KFP and Kubernetes refuse, found before the cluster says so.

The figures, and where they stand: 10 000 bytes for all arguments of a run (`MAX_PARAMETER_BYTES` in KFP's
backend/src/common/util/consts.go), 32 MiB for a pipeline's file (`MaxFileLength` in backend/src/apiserver/common/const.go);
131 072 bytes for one argument of a process (Linux, MAX_ARG_STRLEN), which KFP's driver and launcher take a task's whole
specification as (kubeflow/pipelines#12453, argoproj/argo-workflows#15471); 1 MB for a workflow in etcd (Argo's "Offloading Large
Workflows"), whose status grows as the run goes on (kubeflow/pipelines#13738). Kubernetes' names are RFC 1123's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlspec import ops
from mlspec.diagnostic import Finding, Route, Severity
from mlspec.ir import Pipeline, Step

from .naming import Tasks
from .text import text

ARGUMENTS = 10_000
ARGUMENT = 131_072 - 16_384  # what KFP puts around the params in the same argument is left room
WORKFLOW = 1_000_000
FILE = 32 * 2**20

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LABEL_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_RESOURCE = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def findings(pipeline: Pipeline, named: Tasks, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a cluster would refuse of a pipeline that is compiled to `spec`."""
    arguments = len(json.dumps({one.name: one.default for one in pipeline.parameters}).encode())
    if arguments > ARGUMENTS:
        message = f"the parameters of a run take {arguments} bytes; Kubeflow Pipelines takes {ARGUMENTS}"
        yield Finding("too-large-for-kubeflow", message, (), help="shorten their defaults")
    for step in (*pipeline.steps, *pipeline.exit):
        yield from _of_step(step)
    yield from _size(named, spec)


def _of_step(step: Step) -> Iterator[Finding]:
    yield from _argument(step)
    for variable, secret in sorted(step.secrets.items()):
        if secret.store != "env" and not (len(secret.name) <= 253 and _SUBDOMAIN.fullmatch(secret.name)):
            message = f"{variable} comes from the secret {secret.name!r}, which is no name of a Kubernetes secret"
            yield _bad(message, _at(step, "environment", variable), "use lower-case letters, digits, hyphens and dots")
        key = secret.name if secret.store == "env" else secret.key
        if not _KEY.fullmatch(key):
            message = f"{variable} comes from the key {key!r}, which no Kubernetes secret can have"
            yield _bad(message, _at(step, "environment", variable), "use letters, digits, hyphens, dots and underscores")
    for variable, value in sorted(step.environment.items()):
        if "$(" in value:
            message = f"Kubernetes puts the values of other variables where {variable} says $(NAME)"
            yield Finding(
                "kubeflow-expands", message, _at(step, "environment", variable), Severity.WARNING, help="write $$(NAME)"
            )
    for label, value in step.resources.node:
        if not _is_label(label) or (value and not (len(value) <= 63 and _LABEL_PART.fullmatch(value))):
            yield _bad(f"{label}: {value} is no label of a Kubernetes node", _at(step, "resources", "node"), "write name: value")
    kind = step.resources.accelerator
    if kind and not (len(kind) <= 253 and _RESOURCE.fullmatch(kind)):
        message = f"{kind!r} is no resource of Kubernetes"
        yield _bad(message, _at(step, "resources", "accelerator"), "name it as the nodes do, such as nvidia.com/gpu")


def _argument(step: Step) -> Iterator[Finding]:
    if step.op is ops.CONTAINER:
        if any("{{$" in str(word) for word in (*step.params.get("command", ()), step.params.get("image", ""))):
            message = "Kubeflow Pipelines fills {{$…}} in, wherever it stands in a command"
            yield _bad(message, _at(step, "command"), "let a script in the image make that text")
        return
    size = len(json.dumps(text(step.params)).encode())
    if size > ARGUMENT:
        message = f"what the spec says of {step.id} takes {size} bytes, packed; one argument of a process takes {ARGUMENT}"
        yield Finding("too-large-for-kubeflow", message, step.routes[0], help="keep long lists in a file that your code reads")


def _size(named: Tasks, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Estimate the Argo workflow that KFP makes: equal components and containers are in it once, a task each time."""
    parts = {_plain(one) for one in spec["components"].values() if "dag" not in one}
    parts |= {_plain(one) for one in spec["deploymentSpec"]["executors"].values()}
    dags = [spec["root"], *(one for one in spec["components"].values() if "dag" in one)]
    tasks = sum(len(_plain(task)) for dag in dags for task in dag["dag"]["tasks"].values())
    size = sum(map(len, parts)) + tasks
    steps = f"{len(named.steps)} steps"
    if size > FILE:
        yield Finding(
            "too-large-for-kubeflow", f"{steps} take {size} bytes; Kubeflow Pipelines takes {FILE}", ("pipeline",), help=_FUSE
        )
    elif size > WORKFLOW:
        message = f"{steps} take about {size} bytes of a workflow; Argo keeps {WORKFLOW} where it is not told to offload them"
        yield Finding("too-large-for-kubeflow", message, ("pipeline",), Severity.WARNING, help=_FUSE)


_FUSE = "set pipeline.granularity to stage, which makes fewer tasks, or split the spec"


def _plain(value: Any) -> str:
    return re.sub(r'"executorLabel": "[^"]*"', "", json.dumps(value))


def _is_label(name: str) -> bool:
    prefix, _, last = name.rpartition("/")
    named = len(last) <= 63 and _LABEL_PART.fullmatch(last)
    return bool(named and (not prefix or (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix))))


def _bad(message: str, route: Route, help_text: str) -> Finding:
    return Finding("not-for-kubernetes", message, route, help=help_text)


def _at(step: Step, *keys: str) -> Route:
    """The part of the spec that asks for it, where the step is one of the user's; else the step's."""
    route = step.routes[0]
    return (*route, *keys) if route[:1] == ("steps",) and len(route) == 2 else route
