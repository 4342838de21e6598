"""How values become the text that KFP carries, and what of them its cache must see."""

from __future__ import annotations

import base64
import bz2
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlspec import render
from mlspec.ir import Pipeline

PACKED = 32_768
"""Params whose JSON is longer travel compressed: see `mlspec.backends._kubeflow.limits` for what a cluster can carry."""


def text(params: Any) -> str:
    """Write params as the text that a task takes. The emitted `text` is this function, and `runtime.argument.read` undoes it.

    As text, because KFP makes floats of integers inside lists and dicts; without two braces in a row, which KFP would take for
    a placeholder. bz2, because its output is the same wherever it runs, which zlib does not promise.
    """
    plain = json.dumps(params, sort_keys=True).replace("{{", "{\\u007b")
    return plain if len(plain) <= PACKED else base64.b64encode(bz2.compress(plain.encode())).decode()


def code(pipeline: Pipeline) -> str:
    """Return the digest of the user's modules that a step which calls them takes, so that KFP's cache sees a change of them."""
    whole = hashlib.sha256()
    for path, module in sorted(pipeline.code.items()):
        if path.endswith(".py"):
            whole.update(path.encode() + b"\0" + module.encode() + b"\0")
    return whole.hexdigest()


def entrypoints(value: Any) -> Iterator[str]:
    """Yield each entrypoint that params name, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "entrypoint" and isinstance(inner, str):
                yield inner
            else:
                yield from entrypoints(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from entrypoints(inner)


def description(pipeline: Pipeline) -> str:
    """Return the pipeline's description as KFP can show it.

    Without one, kfp would take the function's docstring. It repeats the text in a YAML comment, where control characters and
    other ends of lines than "\\n" would break the file that it compiles.
    """
    told = "\n".join(map(render.visible, (pipeline.description or pipeline.name).splitlines()))
    return told or "A pipeline written by mlspec."


def kebab(name: str) -> str:
    """Name a task as kfp's compiler does (`kfp.dsl.utils.maybe_rename_for_k8s`)."""
    return re.sub("-+", "-", re.sub("[^-0-9a-z]+", "-", name)).strip("-")


def cron(expression: str) -> str:
    """Return a five-field cron expression as KFP reads it: six fields, seconds first, Sunday only as 0."""
    fields = expression.split()
    if len(fields) == 5:
        fields[4] = ",".join(_weekdays(part) for part in fields[4].split(","))
    return " ".join(["0", *fields])


def _weekdays(part: str) -> str:
    span = re.fullmatch(r"([0-7])(?:-([0-7]))?(?:/([1-9]\d*))?", part)
    if not span or "7" not in (span[1], span[2]):
        return part
    first, last, step = int(span[1]), int(span[2] or span[1]), int(span[3] or 1)
    return ",".join(str(day % 7) for day in range(first, last + 1, step))
