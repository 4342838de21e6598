"""The JSON Schema (draft 7) of the language, for editors: built from the models and every member of the open unions."""

from __future__ import annotations

from typing import Any

from mlspec.kinds import ELSEWHERE, Part

DRAFT = "http://json-schema.org/draft-07/schema#"
OWN: dict[str, Any] = {"^x-": {}}
"""The user's own keys, allowed in every mapping that refuses unknown ones."""


def build() -> dict[str, Any]:
    """Return the schema. It accepts each spec that the models accept; what spans sections only the models check."""
    definitions: dict[str, Any] = {}
    waiting, done = ["mlspec.spec.project:Project"], set()
    while waiting:
        model = waiting.pop()
        if model not in done:
            done.add(model)
            waiting += sorted(_add(model, definitions))
    whole = definitions.pop(_name("mlspec.spec.project:Project"))
    whole["anyOf"] = [{"required": ["task", "data", "model"]}, {"required": ["steps"]}]
    return {"$schema": DRAFT, "title": "mlspec 1", **whole, "definitions": dict(sorted(definitions.items()))}


def _name(place: str) -> str:
    """``mlspec.sources.csv:Csv`` -> ``sources.csv.Csv``."""
    return place.removeprefix("mlspec.").replace(":", ".")


def _add(place: str, definitions: dict[str, Any]) -> set[str]:
    """Add the schema of a model, and of those it holds itself; return the places of the models it refers to."""
    name = _name(place)
    made = Part(place).model.model_json_schema(ref_template=f"#/definitions/{name}.{{model}}", mode="validation")
    found: set[str] = set()
    for own, schema in made.pop("$defs", {}).items():
        definitions[f"{name}.{own}"] = _draft7(schema, found)
    definitions[name] = _draft7(made, found)
    return found


def _draft7(node: Any, found: set[str], named: bool = False) -> Any:
    """Rewrite what draft 7 says in other words, and note in `found` the models elsewhere that are referred to.

    `named` marks a mapping whose keys are the names of properties.
    """
    if isinstance(node, list):
        return [_draft7(one, found) for one in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {key: _draft7(value, found) for key, value in node.items()}
    node = {key: value for key, value in node.items() if key not in ("title", "default", "discriminator")}
    if str(node.get("$ref", "")).startswith(ELSEWHERE):
        place = node["$ref"].removeprefix(ELSEWHERE)
        found.add(place)
        node["$ref"] = f"#/definitions/{_name(place)}"
    if "prefixItems" in node:
        node["items"], node["additionalItems"] = node.pop("prefixItems"), False
    if "$ref" in node and len(node) > 1:  # draft 7 ignores what stands beside a reference
        node["allOf"] = [{"$ref": node.pop("$ref")}, *node.get("allOf", [])]
    if node.get("format") == "date":
        node["pattern"] = r"^\d{4}-\d{2}-\d{2}$"  # few checkers look at formats
    if "patternProperties" in node:  # the names of a mapping
        node.setdefault("additionalProperties", False)
    elif node.get("additionalProperties") is False:
        node["patternProperties"] = OWN
    return {key: _draft7(value, found, named=key in ("properties", "patternProperties")) for key, value in node.items()}
