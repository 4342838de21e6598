"""Put model, input schema, environment, spec and evidence into one directory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlspec
from mlspec import families
from mlspec.runtime import pickled, sources
from mlspec.runtime.artifact import digest, read_json, whole, write_json, write_text
from mlspec.runtime.hyperparameters import settled
from mlspec.runtime.model_card import card
from mlspec.runtime.rows import Field

LIBRARIES = ("scikit-learn", "numpy", "scipy", "polars", "joblib", "threadpoolctl", "pydantic")
"""What it takes to unpickle the model and to predict with it."""

DECLARED = ("unit", "min", "max", "values", "pattern", "description")


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Write `package`, a directory that `mlspec.runtime.predictor.load` serves from:

    model.joblib, schema.json (the raw columns a row must have), features.json (what happens to each), package.json (name, task,
    classes, threshold), environment.json and requirements.txt (what it takes to run), spec.json, metrics.json, decision.json,
    model_card.md, code/ (the user's own modules), and edge/ (the exports, where there are any). It appears whole, by a rename.
    """
    params = settled(inputs, params)
    model = pickled.read(inputs["model"])
    metrics, decision = read_json(inputs["metrics"]), read_json(inputs["decision"])
    manifest = model.named_steps["features"].manifest()
    schema = input_schema(
        model.named_steps["features"].fields_, params["columns"], read_json(inputs["validation"]).get("schema", {})
    )
    environment = _environment(params)
    with whole(outputs["package"]) as place:
        shutil.copyfile(inputs["model"], place / "model.joblib")
        installed = sources.copy(params.get("entrypoints", ()), place / "code")
        environment["packages"] |= installed
        about = _about(model, params, metrics)
        if "chosen" in inputs:
            about["tuning"] = read_json(inputs["chosen"])
        write_json(place / "package.json", about)
        write_json(place / "schema.json", schema)
        write_json(place / "features.json", manifest)
        write_json(place / "environment.json", environment)
        write_text(
            place / "requirements.txt", "".join(f"{name}=={one}\n" for name, one in sorted(environment["packages"].items()))
        )
        write_json(place / "spec.json", params["spec"])
        write_json(place / "metrics.json", metrics)
        write_json(place / "decision.json", decision)
        if "edge" in inputs:
            shutil.copytree(inputs["edge"], place / "edge")
        write_text(place / "model_card.md", card(about, schema, manifest, metrics, decision, params))
    files = sum(1 for one in outputs["package"].rglob("*") if one.is_file())
    return {
        "digest": digest(outputs["package"]),
        "files": files,
        "model_bytes": (outputs["package"] / "model.joblib").stat().st_size,
    }


def input_schema(fields: Mapping[str, Field], columns: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row must have: for each raw column its type, whether it may be null, and the limits that the spec declares.

    `seen` is the schema as validation fitted it; its ranges and values are kept as `observed`, which refuses nothing.
    """
    schema = {}
    for name, field in fields.items():
        declared, fitted = columns.get(name, {}), seen.get(name, {})
        limits = {key: declared[key] for key in DECLARED if declared.get(key) is not None}
        told = () if declared.get("pii") else ("min", "max", "values")  # what was seen of personal data stays out
        observed = {key: fitted[key] for key in told if fitted.get(key) is not None}
        if field.shape:
            limits["shape"] = list(field.shape)
        nullable = False if field.shape else declared.get("nullable")
        kind = "category" if field.type == "category" else field.held if field.type == "date" else field.type
        if field.type == "number":
            kind = "integer" if (declared.get("type") or fitted.get("type")) == "integer" else "number"
        schema[name] = {"type": kind, "nullable": nullable is not False, **limits} | ({"observed": observed} if observed else {})
    return {"columns": schema, "order": list(fields)}


def _about(model: Any, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    classes = getattr(model.named_steps["model"], "classes_", None)
    return {
        "format": 1,
        "about": dict(params["about"]),
        "task": dict(params["task"]),
        "model": dict(params["model"]),
        "classes": None if classes is None else [str(one) for one in classes],
        "positive": metrics.get("positive"),
        "threshold": metrics.get("threshold"),
        "entrypoints": list(params.get("entrypoints", ())),
    }


def _environment(params: Mapping[str, Any]) -> dict[str, Any]:
    """Versions only: the same on every machine with the same lock. (Which processor it was is no part of the package.)"""
    # what comes after a plus names a build (`+cpu`), which an index need not have
    packages = {name: version(name).partition("+")[0] for name in (*LIBRARIES, *_brought(params))}
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "packages": {"mlspec": mlspec.__version__, **packages},
    }


def _brought(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the distribution that brings the model's library, where that is another than scikit-learn, and what it stands on."""
    family = families.load(params["model"], params["task"]["kind"])
    yield from family.below
    for name in family.distributions:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        yield name
        return
