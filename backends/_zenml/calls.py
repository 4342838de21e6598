"""What `pipeline.py` calls in which order, families in loops, and what `params.py` holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlspec import render
from mlspec.ir import Pipeline, Step

from .naming import Names, arguments, given


def calls(pipeline: Pipeline, names: Names) -> list[dict[str, Any]]:
    """Describe the calls of `pipeline.py` in order: one for a step, a loop for steps of a family that stand beside each other."""
    told: list[dict[str, Any]] = []
    tables: set[str] = set()
    for block in _blocks(pipeline.steps):
        told.append(_loop(block, names, tables) if block[0].family else _call(block[0], names))
    return told


def _blocks(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Part steps into single ones and runs of one family; a step that needs one of its run starts a new one."""
    block: list[Step] = []
    inside: set[str] = set()
    for step in steps:
        if block and (not step.family or step.family != block[0].family or inside & set(step.needs)):
            yield block
            block, inside = [], set()
        block.append(step)
        inside.add(step.id)
    if block:
        yield block


def _call(step: Step, names: Names) -> dict[str, Any]:
    argument = arguments(step)
    asked = any((step.id, port.name) in names.taken for port in step.output_ports)
    constant = names.constants[step.id]
    return {
        "loop": False,
        "function": names.functions[step.id],
        "targets": [names.variables[(step.id, port.name)]["variable"] for port in step.output_ports] if asked else [],
        "bindings": [{"argument": argument[f"bound {one}"], "parameter": step.bindings[one]} for one in sorted(step.bindings)],
        "inputs": [_source(argument[f"input {port.name}"], names.variables[_of(step, port.name)], 8) for port in given(step)],
        "argument": argument["params"],
        "constant": constant,
        "long": len(f"        {argument['params']}=inert(params.{constant}),") > render.WIDTH,
        "after": list(dict.fromkeys(step.after)),
    }


def _source(argument: str, variable: Mapping[str, str], column: int) -> dict[str, Any]:
    """Describe where an argument comes from; `long` is what does not fit on a line that starts at a column."""
    head = f"{argument}=" if argument else ""
    return {"argument": argument, **variable, "long": column + len(f"{head}{_cell(variable)},") > render.WIDTH}


def _of(step: Step, port: str) -> tuple[str, str]:
    return step.inputs[port].step, step.inputs[port].output


def _loop(block: Sequence[Step], names: Names, tables: set[str]) -> dict[str, Any]:
    """What is equal for all of a run of a family stands in the call; what differs is a column of the loop's table."""
    step = block[0]
    argument = arguments(step)
    fixed: list[dict[str, Any]] = []
    columns: list[dict[str, Any]] = []
    for port in given(step):
        sources = [names.variables[_of(one, port.name)] for one in block]
        told = {"argument": argument[f"input {port.name}"]}
        if all(one == sources[0] for one in sources):
            fixed.append(_source(told["argument"], sources[0], 12))
        else:
            cells = [_source("", one, 12) for one in sources]
            columns.append({**told, "name": names.column(port.name), "cells": cells})
    orders = [list(dict.fromkeys(one.after)) for one in block]
    same = all(one == orders[0] for one in orders)
    ordered = {"argument": "after", "name": names.column("after"), "cells": [{"steps": one} for one in orders]}
    columns += [] if same else [ordered]
    rows = [{"id": one.id, "cells": [column["cells"][at] for column in columns]} for at, one in enumerate(block)]
    ports = [port.name for port in step.output_ports]
    wanted = any((one.id, port) in names.taken for one in block for port in ports)
    made = [names.variables[(step.id, port)]["variable"] for port in ports] if wanted else []
    fresh = [one for one in made if one not in tables]
    tables.update(fresh)
    constant, shared = names.constants[step.family], names.shared[step.family]
    return {
        "loop": True,
        "function": names.functions[step.family],
        "tables": fresh,
        "targets": made,
        "fixed": fixed,
        "columns": [{"argument": column["argument"], "name": column["name"]} for column in columns],
        "rows": [{**row, "long": _width(row) > render.WIDTH} for row in rows],
        "wide": len(f"    for name, {', '.join(column['name'] for column in columns)} in (") > render.WIDTH,
        "bindings": [{"argument": argument[f"bound {one}"], "parameter": step.bindings[one]} for one in sorted(step.bindings)],
        "identity": argument["id"],
        "argument": argument["params"],
        "constant": constant,
        "shared": shared,
        "after": orders[0] if same else [],
    }


def _width(row: Mapping[str, Any]) -> int:
    """How wide a row of a loop's table is on one line."""
    return len(f"        ({', '.join([render.py(row['id']), *(_cell(cell) for cell in row['cells'])])}),")


def _cell(cell: Mapping[str, Any]) -> str:
    if "steps" in cell:
        return f"[{', '.join(map(render.py, cell['steps']))}]"
    return str(cell["variable"]) + (f"[{render.py(cell['key'])}]" if cell["key"] else "")


def constants(pipeline: Pipeline, names: Names) -> list[dict[str, Any]]:
    """Describe the constants of `params.py`: the params of each step; of a family what is equal, and what is each member's."""
    told: list[dict[str, Any]] = []
    members: dict[str, dict[str, Mapping[str, Any]]] = {}
    for step in (*pipeline.steps, *pipeline.exit):
        if step.family:
            members.setdefault(step.family, {})[step.id] = step.params
        else:
            told.append({"constant": names.constants[step.id], "value": dict(step.params)})
    for family, params in members.items():
        equal = _equal(list(params.values()))
        own = {one: {name: value for name, value in given.items() if name not in equal} for one, given in params.items()}
        told.append({"constant": names.shared[family], "value": equal})
        told.append({"constant": names.constants[family], "value": own})
    return told


def _equal(every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the params that all have alike. As text: 1, 1.0 and true are not alike."""
    texts = [{name: json.dumps(value, sort_keys=True) for name, value in one.items()} for one in every]
    return {name: value for name, value in every[0].items() if all(one.get(name) == texts[0][name] for one in texts)}
