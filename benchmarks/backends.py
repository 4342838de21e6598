"""What a generated pipeline costs over one written by hand, on the same orchestrator; and what compiling costs against steps.

    python -m benchmarks.backends

Ten steps in a chain, told by a spec and written by hand (`by_hand/`), run by the interpreter that has the orchestrator
(`.venvs/`, made by `make envs`); the steps call the same function. Once it fits a model, as steps do, once it only adds one,
which leaves nothing but overhead. Prefect's server runs beside; ZenML's and Airflow's databases are made before. No result is
taken from a cache. Compiling: a chain of steps, `mlspec compile` against `python pipeline.py`, which is kfp's own compiler on
what mlspec has written, both with interpreter start and imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import ENVIRONMENT, Command, Promise, in_turn

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent / "by_hand"
BY_HAND = {"kfp": "kfp_pipeline.py", "prefect": "prefect_flow.py", "zenml": "zenml_pipeline.py", "airflow": "airflow_dag.py"}
STEPS = 10
FITS = 10
"""Fits of a logistic regression on 569 rows in each step: about a second with the imports."""

SIZES = (10, 100, 500)

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""For both: threads of BLAS that wait for each other use up processor time without doing anything."""


def spec(fits: int, steps: int = STEPS) -> str:
    """A chain of steps that call `work:step`."""
    told = {
        f"step_{index}": {"entrypoint": "work:step", "outputs": {"number": "file"}, "params": {"fits": fits, "nonce": "NONCE0"}}
        | ({"inputs": {"number": f"step_{index - 1}.number"}} if index else {})
        for index in range(steps)
    }
    return json.dumps({"mlspec": 1, "project": {"name": "chain"}, "steps": told}, indent=1)


def compiled(backend: str, top: Path, fits: int) -> Path:
    """Write the project of a backend and return its folder."""
    top.mkdir(parents=True)
    (top / "chain.json").write_text(spec(fits))
    shutil.copy(HERE / "work.py", top / "work.py")
    words = [sys.executable, "-m", "mlspec", "compile", "chain.json", "--backend", backend, "-o", "project"]
    subprocess.run(words, cwd=top, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    return top / "project"


class Renewal:
    """Gives every step a parameter that no earlier run had, so that nothing is taken from a cache."""

    def __init__(self, project: Path) -> None:
        self.project, self.count = project, 0

    def __call__(self) -> None:
        self.count += 1
        for file in self.project.rglob("*"):
            if file.suffix in (".py", ".yaml", ".json") and "workspace" not in file.parts:
                text = file.read_text(encoding="utf-8")
                file.write_text(re.sub(r"NONCE\d+", f"NONCE{self.count}", text), encoding="utf-8")


def contestants(backend: str, top: Path, fits: int, variables: dict[str, str]) -> dict[str, Command]:
    """Return the commands that run the generated project and the one by hand."""
    python = str(ROOT / ".venvs" / backend / "bin" / "python")
    project = compiled(backend, top, fits)
    ours = ["--workspace", "workspace", "--data-root", ".", "--registry-root", "registry"]
    words = ["env", *(f"{name}={value}" for name, value in (variables | ONE_THREAD).items()), python]
    return {
        "generated": Command([*words, "run.py", *ours], project, Renewal(project)),
        "by hand": Command([*words, str(HERE / BY_HAND[backend]), str(fits)], top),
    }


@contextlib.contextmanager
def prepared(backend: str, top: Path) -> Iterator[dict[str, str]]:
    """Start or make what both contestants need, and yield the variables of their environment."""
    top.mkdir()
    if backend == "prefect":
        with prefect_server(top) as variables:
            yield variables
    elif backend == "zenml":
        yield {"ZENML_CONFIG_PATH": str(top / "config"), "ZENML_LOCAL_STORES_PATH": str(top / "stores")} | {
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_VERBOSITY": "ERROR",
        }
    elif backend == "airflow":
        dags = top / "dags"
        dags.mkdir()
        for name in (BY_HAND["airflow"], "work.py"):
            shutil.copy(HERE / name, dags / name)
        variables = {"AIRFLOW_HOME": str(top / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        variables |= {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
        variables |= {"BY_HAND_FITS": "0", "BY_HAND_PLACE": str(top)}
        words = [str(ROOT / ".venvs/airflow/bin/airflow"), "db", "migrate"]
        subprocess.run(words, check=True, env=ENVIRONMENT | variables, capture_output=True)
        yield variables
    else:
        yield {}


@contextlib.contextmanager
def prefect_server(top: Path) -> Iterator[dict[str, str]]:
    """Run a server with its own database on a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    variables = {"PREFECT_HOME": str(top), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    words = [str(ROOT / ".venvs/prefect/bin/prefect"), "server", "start", "--port", str(port)]
    server = subprocess.Popen(words, env=ENVIRONMENT | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                break
            time.sleep(0.5)
        yield variables | {"PREFECT_API_URL": address}
    finally:
        server.terminate()
        server.wait()


def overhead(backend: str, fits: int, rounds: int) -> dict[str, float]:
    """CPU seconds of ten steps, generated and by hand."""
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as name, prepared(backend, Path(name, "state")) as variables:
        costs = in_turn(contestants(backend, Path(name, "here"), fits, variables), rounds)
    return {who: cost.cpu for who, cost in costs.items()}


def compiling(rounds: int) -> dict[str, dict[str, float]]:
    """CPU seconds of `mlspec compile` for each backend and of kfp's compiler, by the number of steps."""
    told: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="mlspec-bench-") as name:
        for size in SIZES:
            top = Path(name, str(size))
            top.mkdir()
            (top / "chain.json").write_text(spec(0, size))
            shutil.copy(HERE / "work.py", top / "work.py")
            mlspec = [sys.executable, "-m", "mlspec", "compile", "chain.json", "--backend"]
            commands = {one: Command([*mlspec, one, "-o", one], top) for one in BY_HAND if available(one)}
            subprocess.run([*mlspec, "kfp", "-o", "kfp"], cwd=top, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            commands["kfp's compiler"] = Command([str(ROOT / ".venvs/kfp/bin/python"), "pipeline.py"], top / "kfp")
            told[str(size)] = {who: cost.cpu for who, cost in in_turn(commands, rounds).items()}
    return told


def available(backend: str) -> bool:
    """Whether the environment of a backend has been made."""
    return (ROOT / ".venvs" / backend / "bin" / "python").exists()


def main(rounds: int = 5) -> dict[str, Any]:
    """Measure, and return figures and promises."""
    work = {backend: overhead(backend, FITS, rounds) for backend in BY_HAND if available(backend)}
    bare = {backend: overhead(backend, 0, rounds) for backend in BY_HAND if available(backend)}
    compiles = compiling(3)
    promises = [
        Promise(f"ten steps on {backend}, generated / by hand", told["generated"] / told["by hand"], 1.05)
        for backend, told in work.items()
    ]
    largest = compiles[str(SIZES[-1])]
    promises.append(
        Promise(f"{SIZES[-1]} steps, mlspec compile for kfp / kfp's compiler", largest["kfp"] / largest["kfp's compiler"], 3.0)
    )
    figures = {"ten steps that fit a model": work, "ten steps that add one": bare, "compile": compiles}
    return {"cpu_seconds": figures, "promises": [asdict(one) for one in promises]}


if __name__ == "__main__":
    os.chdir(ROOT)
    print(json.dumps(main(), indent=1))
