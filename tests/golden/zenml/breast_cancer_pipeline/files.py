"""Files as ZenML artifacts, with a content hash, and how a step is run on them."""

import hashlib
import json
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mlspec import runtime
from mlspec.diagnostic import Finding, Problem
from mlspec.runtime.artifact import digest, read_json
from mlspec.runtime.content import code_digest, libraries
from zenml import get_step_context, log_metadata
from zenml.enums import ArtifactType, VisualizationType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
CONTENT = "content"

# where a failure finds the lines of the spec that asked for its step
os.environ.setdefault("MLSPEC_TRACE", str(ROOT / "trace.json"))


class Place:
    """A directory that is there for as long as somebody holds this."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="mlspec-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class File:
    """A file or a directory that a step wrote: where it lies here, what it holds, and
    small facts about it."""

    def __init__(
        self,
        path: Path,
        kind: str = "file",
        facts: Mapping[str, Any] | None = None,
        place: Place | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.facts = dict(facts or {})
        self.place = place


class FileMaterializer(BaseMaterializer):
    """Keeps files as they are. The content hash makes ZenML's cache go by content."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (File,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def load(self, data_type: type[Any]) -> File:
        """Return the file where it lies; a copy if the artifact store is remote."""
        kept = self._kept()
        if os.path.exists(kept) or not fileio.exists(kept):
            return File(Path(kept))
        place = Place()
        _copy(kept, str(place.path / CONTENT))
        return File(place.path / CONTENT, place=place)

    def save(self, data: File) -> None:
        """Copy the file into the artifact store."""
        _copy(str(data.path), self._kept())

    def save_visualizations(self, data: File) -> dict[str, VisualizationType]:
        """Show pages as pages, verdicts and metrics as tables, reports as JSON."""
        kept = self._kept()
        if data.kind == "html":
            return {kept: VisualizationType.HTML}
        if data.kind not in ("report", "metrics"):
            return {}
        table = _table(read_json(data.path))
        if not table:
            return {kept: VisualizationType.JSON}
        view = os.path.join(self.uri, "view.md").replace("\\", "/")
        with fileio.open(view, "w") as file:
            file.write(table)
        return {view: VisualizationType.MARKDOWN}

    def extract_metadata(self, data: File) -> dict[str, Any]:
        """Show the step's facts beside what it made."""
        return dict(data.facts)

    def compute_content_hash(self, data: File) -> str | None:
        """Return the digest of the bytes."""
        return digest(data.path)

    def _kept(self) -> str:
        return os.path.join(self.uri, CONTENT).replace("\\", "/")


def perform(
    op: str,
    *,
    step: str,
    inputs: Mapping[str, File],
    outputs: Mapping[str, str],
    params: Mapping[str, Any],
    secrets: Mapping[str, Sequence[str]] | None = None,
    timeout: float | None = None,
) -> dict[str, File]:
    """Run a step of the pipeline and return its outputs by name.

    `outputs` says what each holds. A step with variables, with `secrets` (variable:
    store, name, key) or with a `timeout` in seconds runs in a process of its own, which
    is killed when its time is up. What a step wrote lies in a temporary directory until
    ZenML has stored and forgotten it.
    """
    for name, file in inputs.items():
        if not file.path.exists():  # here, as ZenML keeps no reason why `load` failed
            message = f"the artifact store no longer has the input {name}: {file.path}"
            help_text = "run once with enable_cache=False, or in a new workspace"
            raise Problem(Finding("artifact-gone", message, help=help_text))
    place = Place()
    facts = runtime.run(
        op,
        inputs={name: file.path for name, file in inputs.items()},
        outputs={name: place.path / name for name in outputs},
        params=params,
        timeout=timeout,
        environment=_environment(secrets or {}) or None,
        step=step,
    )
    told = {name: fact for name, fact in facts.items() if fact is not None}
    if told:
        log_metadata(metadata=told)
    return {
        name: File(place.path / name, kind, told, place)
        for name, kind in outputs.items()
    }


def _environment(secrets: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the variables that ZenML knows of this step, and its secrets."""
    known = get_step_context().step_run.config.environment
    return {name: str(restored(text)) for name, text in known.items()}


def promoted(*, stage: str, entry: Path, package: Path) -> None:
    """Bring this run's version of the model to a stage, as every gate has passed.

    The version that had the stage is archived. Without an entry nothing was registered.
    """
    if not entry.exists():
        return
    model = get_step_context().model
    told = {f"registry_{key}": one for key, one in read_json(entry).items()}
    for name, one in read_json(package / "metrics.json")["metrics"].items():
        if isinstance(one, dict) and one.get("value") is not None:
            told[name] = one["value"]
    model.log_metadata(told)
    model.set_stage(stage, force=True)


def inert(params: Any) -> Any:
    """Keep ZenML from filling in ${NAME}, wherever it stands, as a variable."""
    return _each(params, re.compile(r"\$(\\*)\{"), r"$\1\\{")


def restored(params: Any) -> Any:
    """Undo `inert`."""
    return _each(params, re.compile(r"\$(\\*)\\\{"), r"$\1{")


def code_version() -> str:
    """Everything but inputs and parameters that decides what a step makes."""
    whole = hashlib.sha256(code_digest().encode())
    whole.update(json.dumps(libraries(), sort_keys=True).encode())
    for file in sorted(SOURCE.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            name = file.relative_to(SOURCE).as_posix()
            whole.update(f"{name}\0{digest(file)}\n".encode())
    return whole.hexdigest()


def _each(value: Any, pattern: re.Pattern[str], text: str) -> Any:
    if isinstance(value, dict):
        return {
            pattern.sub(text, key): _each(one, pattern, text)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_each(one, pattern, text) for one in value]
    return pattern.sub(text, value) if isinstance(value, str) else value


def _copy(source: str, target: str) -> None:
    if not fileio.isdir(source):
        fileio.copy(source, target, overwrite=True)
        return
    fileio.makedirs(target)
    for name in fileio.listdir(source):
        _copy(os.path.join(source, str(name)), os.path.join(target, str(name)))


def _table(told: Any) -> str:
    """Write a decision, metrics or checks of data as a Markdown table; "" for any other
    report."""
    if not isinstance(told, dict):
        return ""
    if requirements := _entries(told.get("requirements")):
        rows = [
            (
                one.get("target") or one.get("name"),
                _number(one.get("value")),
                _interval(one),
                one.get("verdict"),
                one.get("reason"),
            )
            for one in requirements
        ]
        head = ("requirement", "value", "interval", "verdict", "reason")
        return f"# {_cell(told.get('verdict'))}\n\n" + _rows(head, rows)
    if checks := _entries(told.get("checks")):
        rows = [
            (
                one.get("description"),
                one.get("failing"),
                one.get("allowed"),
                one.get("verdict"),
            )
            for one in checks
        ]
        head = ("check", "rows failing", "share allowed", "verdict")
        return f"# {_cell(told.get('verdict'))}\n\n" + _rows(head, rows)
    parts = [{**told, "name": "test"}, *_entries(told.get("slices"))]
    rows = [
        (
            part.get("name"),
            name,
            _number(one.get("value")),
            _interval(one),
            one.get("rows"),
        )
        for part in parts
        if isinstance(part.get("metrics"), dict)
        for name, one in sorted(part["metrics"].items())
        if isinstance(one, dict)
    ]
    head = ("on", "metric", "value", "interval", "rows")
    return _rows(head, rows) if rows else ""


def _entries(told: Any) -> list[dict[str, Any]]:
    """Return a list of mappings; [] for anything else that a user's report may hold."""
    well = isinstance(told, list) and all(isinstance(one, dict) for one in told)
    return told if well else []


def _number(value: Any) -> Any:
    return "not a number" if value is None else value


def _interval(one: Mapping[str, Any]) -> str:
    low, high = one.get("low"), one.get("high")
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return ""
    return f"{low:.4g} to {high:.4g}"


def _rows(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [" | ".join(_cell(one) for one in line) for line in lines]
    return "".join(f"| {line} |\n" for line in cells)


def _cell(value: Any) -> str:
    """Text that stays in its cell of a Markdown table and is nothing but text there."""
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"&#{ord(char)};" if char in "\\`*[]|~" else char for char in text)
