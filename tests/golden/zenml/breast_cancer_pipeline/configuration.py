"""Checks a run configuration as ZenML itself does not: it ignores keys that it does not
know, and lets one `enable_cache: true` override what a step says."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.config.base_settings import BaseSettings
from zenml.config.docker_settings import DockerBuildOptions
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.enums import StackComponentType
from zenml.stack import Flavor
from zenml.utils.settings_utils import (
    get_general_settings,
    is_stack_component_setting_key,
)

STEPS = [
    "ingest",
    "validate",
    "check_data",
    "split",
    "featurize",
    "cross_validate",
    "train",
    "train_baseline",
    "evaluate",
    "evaluate_baseline",
    "explain",
    "decide",
    "report",
    "gate",
    "package",
    "register",
]

UNCACHED = [
    "ingest",
    "check_data",
    "gate",
    "register",
]
"""Steps that read or change the world outside: they run each time."""

PARAMETERS = [
    "data_root",
    "registry_root",
]
"""What `deploy.py` chooses, or the pipeline's default."""

Where = tuple[str | int, ...]


def faults(path: Path) -> list[str]:
    """Return what is wrong with a run configuration, each with its file and line."""
    try:
        top = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError) as error:
        return [f"{path.name}: {' '.join(str(error).split())}"]
    if top is None:
        return []
    if not isinstance(top, yaml.MappingNode):
        return [f"{path.name}:1: a run configuration is a mapping"]
    found = sorted({*_walk(top, [PipelineRunConfiguration], ()), *_own(top)})
    lines = dict(_lines(top, ()))
    if not found:
        try:
            PipelineRunConfiguration.from_yaml(str(path))
        except ValidationError as error:
            found = [
                (_line(lines, one["loc"]), f"{_dotted(one['loc'])}: {one['msg']}")
                for one in error.errors()
            ]
    return [f"{path.name}:{line}: {told}" for line, told in found]


def unchecked(path: Path) -> list[str]:
    """Return settings whose keys cannot be checked: their integration is not here."""
    told = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    every = [told, *(told.get("steps") or {}).values()]
    keys = {key for one in every for key in (one or {}).get("settings") or {}}
    return sorted(key for key in keys if _component(key) and not _classes(key))


def _walk(
    node: yaml.Node, models: list[type[BaseModel]], where: Where
) -> Iterator[tuple[int, str]]:
    """Yield keys of a mapping that no model has, and keys that stand there twice."""
    if not isinstance(node, yaml.MappingNode) or DockerBuildOptions in models:
        return
    seen: set[str] = set()
    for key, inner in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            yield line, f"{_dotted((*where, name))} stands here twice"
        seen.add(name)
        fields = [one.model_fields[name] for one in models if name in one.model_fields]
        if fields:
            for field in fields:
                yield from _into(inner, field.annotation, (*where, name))
        else:
            known = [field for one in models for field in one.model_fields]
            yield line, _unknown((*where, name), known)


def _into(node: yaml.Node, kind: Any, where: Where) -> Iterator[tuple[int, str]]:
    """Go on with what a field holds: a model, a mapping or a list of them, settings."""
    if where[-1] == "settings" and isinstance(node, yaml.MappingNode):
        yield from _settings(node, where)
        return
    models = [
        one
        for one in _parts(kind)
        if isinstance(one, type) and issubclass(one, BaseModel)
    ]
    if models:
        yield from _walk(node, models, where)
    for one in _parts(kind):
        inner = get_args(one)
        if get_origin(one) is dict and isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield from _into(value, inner[1], (*where, str(key.value)))
        if get_origin(one) is list and isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                yield from _into(value, inner[0], (*where, index))


def _parts(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, without what only annotates them."""
    if get_origin(kind) is Union or type(kind).__name__ == "UnionType":
        for one in get_args(kind):
            yield from _parts(one)
    elif hasattr(kind, "__metadata__"):
        yield from _parts(kind.__origin__)
    else:
        yield kind


def _settings(node: yaml.MappingNode, where: Where) -> Iterator[tuple[int, str]]:
    """Yield settings of a kind that does not exist, and their keys that do not."""
    general = get_general_settings()
    for key, inner in node.value:
        name = str(key.value)
        if name in general:
            yield from _walk(inner, [general[name]], (*where, name))
        elif _component(name):
            classes = _classes(name)
            if classes:
                yield from _walk(inner, classes, (*where, name))
        else:
            known = [*general, *(f"{one}.FLAVOR" for one in StackComponentType)]
            yield key.start_mark.line + 1, _unknown((*where, name), known)


def _component(name: str) -> bool:
    return name not in get_general_settings() and is_stack_component_setting_key(name)


def _classes(name: str) -> list[type[BaseModel]]:
    """Return what declares the settings of a stack's component; [] where its
    integration is not installed, or no stack that is set has it."""
    kind, dot, flavor = name.partition(".")
    client = Client()
    try:
        if dot:
            model = client.get_flavor_by_name_and_type(flavor, StackComponentType(kind))
            declared = Flavor.from_model(model).config_class.__mro__
            return [one for one in declared if issubclass(one, BaseSettings)]
        return [client.active_stack.setting_classes[name]]
    except (ImportError, KeyError, NotImplementedError):
        return []


def _own(top: yaml.MappingNode) -> Iterator[tuple[int, str]]:
    """Yield what ZenML would take and what does harm to this pipeline."""
    told = {str(key.value): (key, inner) for key, inner in top.value}
    if "enable_cache" in told and _true(told["enable_cache"][1]):
        message = f"enable_cache would cache {', '.join(UNCACHED)} too: leave it out"
        if UNCACHED:
            yield told["enable_cache"][0].start_mark.line + 1, message
    for name, line, inner in _entries(told, "steps"):
        if name not in STEPS:
            yield line, _unknown(("steps", name), STEPS)
            continue
        for key, below in _pairs(inner):
            at, what = key.start_mark.line + 1, f"steps.{name}.{key.value}"
            if key.value == "enable_cache" and name in UNCACHED and _true(below):
                yield at, f"{what}: this step must run each time; leave it out"
            if key.value == "parameters":
                yield at, f"{what} come from the spec: change them there"
    for name, line, _ in _entries(told, "parameters"):
        if name in PARAMETERS:
            yield line, f"parameters.{name} is an option of deploy.py: give it there"
        else:
            yield line, _unknown(("parameters", name), PARAMETERS)


def _entries(
    told: dict[str, tuple[yaml.Node, yaml.Node]], name: str
) -> Iterator[tuple[str, int, yaml.Node]]:
    if name in told:
        for key, inner in _pairs(told[name][1]):
            yield str(key.value), key.start_mark.line + 1, inner


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _true(node: yaml.Node) -> bool:
    return bool(yaml.safe_load(yaml.serialize(node)))


def _unknown(where: Where, known: list[str]) -> str:
    near = difflib.get_close_matches(str(where[-1]), known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"ZenML knows no {_dotted(where)}{meant}"


def _lines(node: yaml.Node, where: Where) -> Iterator[tuple[Where, int]]:
    yield where, node.start_mark.line + 1
    for key, inner in _pairs(node):
        yield from _lines(inner, (*where, str(key.value)))
        yield (*where, str(key.value)), key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, inner in enumerate(node.value):
            yield from _lines(inner, (*where, index))


def _line(lines: dict[Where, int], where: Where) -> int:
    parents = (where[:size] for size in range(len(where), -1, -1))
    return next(lines[one] for one in parents if one in lines)


def _dotted(where: Where) -> str:
    return ".".join(map(str, where))


def image_is_built(path: Path) -> bool:
    """Say whether ZenML builds the steps' image, or takes one that is there."""
    told = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    docker = (told.get("settings") or {}).get("docker") or {}
    return not DockerSettings.model_validate(docker).skip_build
