"""The functions that the cases' steps call: a user's own code, in each case's folder as `work.py`."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Places = Mapping[str, Path]


def place() -> Path:
    """The folder of one run of a case: what outlives a try lies there."""
    return Path(os.environ["KIT_PLACE"])


def make(inputs: Places, outputs: Places, text: str = "") -> dict[str, Any]:
    """Write a text and everything that is read, in the order of the inputs' names."""
    sys.stdout.write(f"the text has {len(text)} characters\n")
    read = "".join(inputs[name].read_text(encoding="utf-8") for name in sorted(inputs))
    for output in outputs.values():
        output.write_text(text + read, encoding="utf-8")
    return {"letters": len(text)}


def dump(inputs: Places, outputs: Places, **params: Any) -> None:
    """Write the params as they came: JSON tells 1 from 1.0 and true."""
    outputs["out"].write_text(json.dumps(params, sort_keys=True, ensure_ascii=False), encoding="utf-8")


def named(inputs: Places, outputs: Places, suffix: str = "") -> None:
    """Write each output's own name into it."""
    for name, output in outputs.items():
        output.write_text(name + suffix, encoding="utf-8")


def tree(inputs: Places, outputs: Places, files: Mapping[str, str]) -> None:
    """Write a directory."""
    for name, text in files.items():
        file = outputs["out"] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def listing(inputs: Places, outputs: Places) -> None:
    """Write what is in a directory, file by file."""
    top = inputs["tree"]
    files = sorted(file for file in top.rglob("*") if file.is_file())
    told = [f"{file.relative_to(top).as_posix()}={file.read_text(encoding='utf-8')}" for file in files]
    outputs["out"].write_text("\n".join(told), encoding="utf-8")


def fails(inputs: Places, outputs: Places, times: int, name: str, text: str = "made") -> None:
    """Fail some times, then write; each try leaves a mark."""
    marks = place() / "tries"
    marks.mkdir(parents=True, exist_ok=True)
    with (marks / name).open("a", encoding="utf-8") as file:
        file.write("x")
    if len((marks / name).read_text(encoding="utf-8")) <= times:
        for output in outputs.values():
            output.write_text("half of it", encoding="utf-8")
        raise OSError("not yet")
    make(inputs, outputs, text)


def boom(inputs: Places, outputs: Places, text: str = "no") -> None:
    """Fail."""
    raise ValueError(text)


def forgets(inputs: Places, outputs: Places) -> None:
    """Write none of the outputs."""


def boasts(inputs: Places, outputs: Places) -> dict[str, Any]:
    """Return a fact that is not a finite number."""
    outputs["out"].write_text("made", encoding="utf-8")
    return {"score": float("nan")}


def sleeps(inputs: Places, outputs: Places, seconds: float) -> None:
    """Take longer than it may."""
    time.sleep(seconds)
    make(inputs, outputs)


def verdict(inputs: Places, outputs: Places, told: str, value: float = 0.9) -> None:
    """Write a verdict, as a gate reads it."""
    one = {"name": "score", "target": ">= 0.8", "value": value, "verdict": told, "reason": None}
    outputs["report"].write_text(json.dumps({"verdict": told, "requirements": [one]}), encoding="utf-8")


def nan_verdict(inputs: Places, outputs: Places) -> None:
    """Write a verdict that is no word: JSON can hold NaN, though it should not."""
    outputs["report"].write_text('{"verdict": NaN, "requirements": []}', encoding="utf-8")


def text_verdict(inputs: Places, outputs: Places, text: str) -> None:
    """Write whatever stands for a verdict."""
    outputs["report"].write_text(text, encoding="utf-8")


def variables(inputs: Places, outputs: Places, names: Sequence[str]) -> None:
    """Write variables of the environment."""
    told = {name: os.environ.get(name) for name in names}
    outputs["out"].write_text(json.dumps(told, sort_keys=True), encoding="utf-8")


def alert(alert: Mapping[str, Any], name: str = "alerts") -> None:
    """Take an alert: `pipeline.notify`, kind custom."""
    kept = {part: alert[part] for part in ("state", "failed", "severity")}
    with (place() / name).open("a", encoding="utf-8") as file:
        file.write(json.dumps(kept, sort_keys=True) + "\n")


def deaf(alert: Mapping[str, Any]) -> None:
    """Fail to take an alert."""
    raise OSError("nobody listens")
