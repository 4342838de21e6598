"""The values of secrets, looked up when a step needs them and written nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlspec.diagnostic import Diagnostic, Finding, Problem
from mlspec.secret import REFERENCE, Reference

FOLDER = "MLSPEC_SECRETS"
"""The variable that names the folder of secrets: a file `<name>/<key>` for each, as Kubernetes mounts them."""


def resolve(store: str, name: str, key: str = "") -> str:
    """Return the value of a secret on this machine; raise Problem "secret-missing", which says where it was looked for.

    `store` "env" is the variable `name`. "secret" is the variable `MLSPEC_SECRET_<NAME>_<KEY>`, else the file
    `$MLSPEC_SECRETS/<name>/<key>`, without the line end that editors add.
    """
    variable = variable_of(store, name, key)
    if variable in os.environ:
        return os.environ[variable]
    if store != "env":
        folder = os.environ.get(FOLDER)
        place = Path(folder, name, key) if folder and _plain(name) and _plain(key) else None
        if place and place.is_file():
            return place.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    raise Problem(missing(store, name, key))


def missing(store: str, name: str, key: str = "") -> Finding:
    """Say that a secret is not there, and how to give it."""
    variable = variable_of(store, name, key)
    if store == "env":
        return Finding("secret-missing", f"the environment variable {name} is not set", help=f"export {name}=…, then run again")
    told = f"the key {key} of the secret {name} is not known on this machine"
    help_text = f"set the variable {variable}, or {FOLDER} to a folder that has the file {name}/{key}"
    return Finding("secret-missing", told, help=help_text)


def variable_of(store: str, name: str, key: str = "") -> str:
    """Return the variable that holds a secret: `MLSPEC_SECRET_ORDERS_DSN` for orders/dsn."""
    return name if store == "env" else re.sub(r"[^A-Z0-9]+", "_", f"MLSPEC_SECRET_{name}_{key}".upper()).rstrip("_")


def environment(plain: Mapping[str, str], secrets: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the variables of a step: texts, and what references (variable -> store, name, key) point to on this machine.

    Raises one Problem that tells of every secret that is missing.
    """
    found = dict(plain)
    faults: list[Finding | Diagnostic] = []
    for variable, reference in secrets.items():
        try:
            found[variable] = resolve(*reference)
        except Problem as problem:
            faults += problem.faults
    if faults:
        raise Problem(*faults)
    return found


def fill(text: str) -> str:
    """Put the values of secrets where a text refers to them (`${env:NAME}`, `${secret:name/key}`): an address of an alert."""
    return REFERENCE.sub(lambda found: resolve(*Reference.read(found.group())), text)


def _plain(part: str) -> bool:
    return part not in ("", ".", "..") and not set(part) & set("/\\\0")
