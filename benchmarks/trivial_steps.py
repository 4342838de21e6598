"""Ten steps that do nothing but read a number, add one and write it, under mlspec and the tools people use instead.

    python -m benchmarks.trivial_steps

Each tool keeps each step's result on disk. Then the same again with nothing to do. CPU seconds, medians, in turn. Kedro is there
twice: as people use it (`kedro run`, with a project and a catalog in YAML, as `mlspec run` has a spec in YAML), and as the bare
runner called from a script, which reads no project. It keeps no record of what is up to date, so `again` is its whole run;
nor does Metaflow.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent
from typing import Any

from benchmarks.measure import Command, Promise, in_turn

STEPS = 10

METAFLOW_SETTINGS = (
    "USERNAME=bench",
    "METAFLOW_HOME=home",
    "METAFLOW_DATASTORE_SYSROOT_LOCAL=.",
    "METAFLOW_DEFAULT_MONITOR=nullSidecarMonitor",
)
"""Where Metaflow keeps what it makes, and that it reports to nobody. Its graphs have a start and an end: two steps more."""

PLAIN = """
import json
def step(source, target):
    with open(source) as file: number = json.load(file)
    with open(target, "w") as file: json.dump(number + 1, file)
for index in range(10): step(f"{index}.json", f"{index + 1}.json")
"""

JOBLIB = """
import json
from joblib import Memory
memory = Memory("cache", verbose=0)
@memory.cache
def step(number, index): return number + 1
number = 0
for index in range(10): number = step(number, index)
assert number == 10
"""

KEDRO_SCRIPT = """
from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
def step(number): return number + 1
catalog = DataCatalog({f"n{index}": JSONDataset(filepath=f"{index}.json") for index in range(11)})
SequentialRunner().run(pipeline([node(step, f"n{index}", f"n{index + 1}", name=f"s{index}") for index in range(10)]), catalog)
"""

KEDRO_REGISTRY = """
from kedro.pipeline import node, pipeline
def step(number): return number + 1
def register_pipelines():
    return {"__default__": pipeline([node(step, f"n{index}", f"n{index + 1}", name=f"s{index}") for index in range(10)])}
"""

METAFLOW = """
from metaflow import FlowSpec, step
class Trivial(FlowSpec):
    @step
    def start(self):
        self.number = 0
        self.next(self.s0)
{steps}
    @step
    def end(self):
        assert self.number == 10
if __name__ == "__main__":
    Trivial()
"""
METAFLOW_STEP = """
    @step
    def s{index}(self):
        self.number += 1
        self.next(self.{following})
"""

MODULE = """
import json
def step(inputs, outputs):
    number = json.loads(inputs["number"].read_text()) if inputs else 0
    outputs["number"].write_text(json.dumps(number + 1))
"""

DVC_STEP = """
import json, sys
with open(sys.argv[1]) as file: number = json.load(file)
with open(sys.argv[2], "w") as file: json.dump(number + 1, file)
"""


def spec() -> str:
    """Ten user steps in a chain, and no model."""
    steps = {
        f"step_{index}": {"entrypoint": "trivial:step", "outputs": {"number": "file"}}
        | ({"inputs": {"number": f"step_{index - 1}.number"}} if index else {})
        for index in range(STEPS)
    }
    return json.dumps({"mlspec": 1, "project": {"name": "trivial"}, "steps": steps}, indent=1)


def lay_out(top: Path) -> dict[str, Path]:
    """Write each tool's project and return its folder."""
    folders = {}
    for tool in ("plain", "joblib", "kedro", "kedro-script", "dvc", "metaflow", "mlspec"):
        folders[tool] = top / tool
        folders[tool].mkdir()
        (folders[tool] / "0.json").write_text("0")
    kedro_project(folders["kedro"])
    for tool, text in (("plain", PLAIN), ("joblib", JOBLIB), ("kedro-script", KEDRO_SCRIPT)):
        (folders[tool] / "run.py").write_text(dedent(text))
    names = [*(f"s{index}" for index in range(STEPS)), "end"]
    between = (METAFLOW_STEP.format(index=index, following=names[index + 1]) for index in range(STEPS))
    (folders["metaflow"] / "run.py").write_text(METAFLOW.format(steps="".join(between)))
    (folders["mlspec"] / "trivial.py").write_text(MODULE)
    (folders["mlspec"] / "trivial.yaml").write_text(spec())
    (folders["dvc"] / "step.py").write_text(DVC_STEP)
    stages = {
        f"s{i}": {
            "cmd": f"{sys.executable} step.py {i}.json {i + 1}.json",
            "deps": ["step.py", f"{i}.json"],
            "outs": [f"{i + 1}.json"],
        }
        for i in range(STEPS)
    }
    (folders["dvc"] / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    return folders


def kedro_project(folder: Path) -> None:
    """Write the least that `kedro run` takes."""
    package = folder / "src" / "trivial"
    for place in (package, folder / "conf" / "base", folder / "conf" / "local"):
        place.mkdir(parents=True)
    told = {"package_name": "trivial", "project_name": "trivial", "kedro_init_version": version("kedro")}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in told.items())
    (folder / "pyproject.toml").write_text(f"[tool.kedro]\n{lines}")
    (package / "__init__.py").touch()
    (package / "settings.py").touch()
    (package / "pipeline_registry.py").write_text(KEDRO_REGISTRY)
    catalog = {f"n{index}": {"type": "json.JSONDataset", "filepath": f"{index}.json"} for index in range(STEPS + 1)}
    (folder / "conf" / "base" / "catalog.yml").write_text(json.dumps(catalog, indent=1))


def clear(folder: Path, *names: str) -> None:
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)


def measure(rounds: int = 7) -> dict[str, float]:
    """CPU seconds of each tool's first run (`run`) and of a run with nothing to do (`again`)."""
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as name:
        top = Path(name)
        folders = lay_out(top)
        python = sys.executable
        binary = Path(python).parent
        mlspec = [str(binary / "mlspec"), "run", "trivial.yaml", "--quiet"]
        dvc = [str(binary / "dvc"), "repro", "--quiet"]
        subprocess.run([str(binary / "dvc"), "init", "--no-scm", "--quiet"], cwd=folders["dvc"], check=True)
        subprocess.run([str(binary / "dvc"), "config", "core.analytics", "false"], cwd=folders["dvc"], check=True)

        def dvc_clear() -> None:
            clear(folders["dvc"], ".dvc/cache", ".dvc/tmp")
            for file in [folders["dvc"] / "dvc.lock", *(folders["dvc"] / f"{i + 1}.json" for i in range(STEPS))]:
                file.unlink(missing_ok=True)

        first = {
            "python -c pass": Command([python, "-c", "pass"], top),
            "plain": Command([python, "run.py"], folders["plain"]),
            "joblib": Command([python, "run.py"], folders["joblib"], lambda: clear(folders["joblib"], "cache")),
            "kedro run": Command([str(binary / "kedro"), "run"], folders["kedro"]),
            "kedro runner in a script": Command([python, "run.py"], folders["kedro-script"]),
            "dvc repro": Command(dvc, folders["dvc"], dvc_clear),
            "metaflow run": Command(["env", *METAFLOW_SETTINGS, python, "run.py", "run"], folders["metaflow"]),
            "mlspec run": Command(mlspec, folders["mlspec"], lambda: clear(folders["mlspec"], ".mlspec", "runs")),
        }
        for tool, cost in in_turn(first, rounds).items():
            told[f"run: {tool}"] = cost.cpu
        again = {tool: Command(one.words, one.folder) for tool, one in first.items() if tool != "plain"}
        for tool, cost in in_turn(again, rounds).items():
            told[f"again: {tool}"] = cost.cpu
    return told


def promises(told: dict[str, float]) -> list[Promise]:
    """The ratios that are promised."""
    run, again = told["run: mlspec run"], told["again: mlspec run"]
    return [
        Promise("ten trivial steps, mlspec run / kedro run", run / told["run: kedro run"], 0.4),
        Promise("nothing to do, mlspec run / python -c pass", again / told["again: python -c pass"], 2.5),
        Promise("nothing to do, mlspec run / dvc repro", again / told["again: dvc repro"], 0.2),
    ]


def main() -> dict[str, Any]:
    """Measure, and return figures and promises."""
    figures = measure()
    return {"cpu_seconds": figures, "promises": [asdict(one) for one in promises(figures)]}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
