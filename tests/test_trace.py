"""Each file of a generated project says which lines of the spec it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlspec import backend, build, trace
from mlspec.ir import Pipeline

ROOT = Path(__file__).parent.parent
SPEC = """\
mlspec: 1
project: {name: nightly, problem: "The rows of the day have to be published."}
steps:
  collect: {entrypoint: "work:collect", outputs: {rows: table}}
  publish: {entrypoint: "other.work:publish", inputs: {rows: collect.rows}}
pipeline:
  schedule: "0 3 * * 1"
  image: "registry.example.com/nightly:1"
"""
STEPS = ["spec.yaml:4", "spec.yaml:5"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "other").mkdir()
    for place, name in (("work.py", "collect"), ("other/__init__.py", "nothing"), ("other/work.py", "publish")):
        (tmp_path / place).write_text(f"def {name}(inputs, outputs): ...\n", encoding="utf-8")
    return tmp_path


def told(path: Path, name: str, *sets: str) -> tuple[Pipeline, Mapping[str, str], dict[str, dict[str, Any]]]:
    pipeline = build.compiled(build.open_spec(path, sets=sets))
    found = build.bundle_of(pipeline, name).files
    return pipeline, found, trace.files(pipeline, found, lambda other: build.bundle_of(other, name).files)


OF = {
    "kfp": {"pipeline.py": [*STEPS], "cluster.py": ["spec.yaml:8"], "run.py": [], "deploy.py": ["spec.yaml:2", "spec.yaml:7"]},
    "prefect": {
        "nightly_flow/params.py": STEPS,
        "nightly_flow/storage.py": [],
        "run.py": [],
        "prefect.kubernetes.yaml": ["spec.yaml:2", "spec.yaml:7", "spec.yaml:8"],
    },
    "zenml": {"nightly_pipeline/steps.py": STEPS, "nightly_pipeline/files.py": [], "production.yaml": ["spec.yaml:8"]},
    "airflow": {"dags/nightly_tasks/params.py": STEPS, "dags/nightly_tasks/storage.py": [], "requirements.txt": []},
}


@pytest.mark.parametrize("name", OF)
def test_each_file_names_its_lines(folder: Path, name: str) -> None:
    _, found, files = told(folder / "spec.yaml", name)
    assert files.keys() == found.keys()
    for path, places in OF[name].items():
        assert [place for place in files[path]["places"] if place in places] == sorted(places), path
        assert not files[path]["places"] if not places else files[path]["routes"]
    assert files["src/work.py"] == {"steps": [], "routes": ["steps.collect"], "places": ["spec.yaml:4"]}
    assert files["src/other/work.py"]["places"] == ["spec.yaml:5"]
    assert files["trace.json"]["steps"] == ["collect", "publish"]
    assert set(files["README.md"]["places"]) >= {*STEPS, "spec.yaml:7"}


@pytest.mark.parametrize("name", backend.names())
@pytest.mark.parametrize("sets", [(), ("pipeline.granularity=stage",), ("pipeline.granularity=single",)], ids=str)
@pytest.mark.parametrize("spec", ["churn", "wine-by-colour"])
def test_whatever_is_compiled(name: str, sets: tuple[str, ...], spec: str) -> None:
    """Families, groups, exit steps: some file holds each step, and nothing of the other names is left in what is written."""
    pipeline, found, files = told(ROOT / "specs" / f"{spec}.yaml", name, *sets)
    code = [one for path, one in files.items() if path.endswith(".py")]
    assert {step for one in code for step in one["steps"]} == {step.id for step in (*pipeline.steps, *pipeline.exit)}
    assert not any("zqz" in text for text in found.values())
    assert all(one["places"] for one in files.values() if one["steps"])


def test_what_no_backend_wrote_is_of_the_whole_spec(folder: Path) -> None:
    pipeline, found, _ = told(folder / "spec.yaml", "kfp")
    more = {**found, "coverage.json": "{}"}
    made = json.loads(trace.with_files(pipeline, more, lambda other: build.bundle_of(other, "kfp").files))
    assert made["files"]["coverage.json"] == {"steps": [], "routes": ["spec"], "places": []}
    assert made["steps"] == json.loads(found["trace.json"])["steps"]
    assert trace.with_files(pipeline, more, lambda other: build.bundle_of(other, "kfp").files).endswith("}\n")
