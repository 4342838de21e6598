"""Run pipeline.yaml on this machine: each task in a process of its own, as kfp.local does it, with everything it writes
under the workspace. Leaves outcome.json there; the exit code is 0 if every step succeeded, else 1 (2: nothing was run).
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import warnings
from collections import deque
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRACE = json.loads((HERE / "trace.json").read_text(encoding="utf-8"))
STEPS = TRACE["steps"]
BY_TASK = {STEPS[name]["task"]: name for name in TRACE["order"]}
AT_EXIT = {STEPS[name]["task"] for name in TRACE["exit"]}
GOOD = {"succeeded", "cached"}

# What a step in a container runs as here: kfp.local starts no containers without Docker's Python package, mlspec does.
CONTAINED = """
from kfp import dsl
from kfp.dsl import *


def contained(ARGUMENTS):
    import json, os
    from mlspec import runtime
    places = dict(PLACES)
    told = json.loads(TOLD)
    runtime.run(
        "container",
        inputs={name: places[key].path for name, key in told["inputs"].items()},
        outputs={name: places[key].path for name, key in told["outputs"].items()},
        params=told["params"],
        timeout=told["timeout"],
        environment={name: os.environ[name] for name in told["variables"]},
        step=told["step"],
    )
"""
# How kfp starts a function; kfp.local puts this interpreter where it says python3.
COMMAND = """program_path=$(mktemp -d)
printf "%s" "$0" > "$program_path/ephemeral_component.py"
_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path "$program_path/ephemeral_component.py" "$@"
"""


class Log(io.TextIOBase):
    """Takes what kfp and the tasks print: keeps it in a file, and remembers how failures ended."""

    def __init__(self, file):
        self.file = file
        self.line, self.recent, self.ends = "", deque(maxlen=60), {}

    def write(self, text):
        self.file.write(text)
        self.file.flush()
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            self.read(re.sub(r"\x1b\[\d+m", "", line))
        return len(text)

    def read(self, line):
        told = re.search(
            r"Task '([^']+)' finished with status (SUCCESS|FAILURE)$", line
        )
        if re.search(r"Executing task '[^']+'$", line):
            self.recent.clear()
        elif told and told[2] == "FAILURE":
            self.ends[told[1]] = self.reason()
        elif line.strip():
            self.recent.append(line.removeprefix("    "))

    def reason(self):
        """Return the end of a traceback: what was raised, without where."""
        lines = list(self.recent)
        last = max(
            (at for at, line in enumerate(lines) if line.startswith("  File ")),
            default=-1,
        )
        told = [
            at for at in range(last + 1, len(lines)) if not lines[at].startswith(" ")
        ]
        return lines[told[0] :] if told else lines[-3:]


class Record:
    """Stands between kfp.local and its tasks: remembers how each ended, and does what only a cluster does for it."""

    def __init__(self, execute, log, say):
        self.execute, self.log, self.say = execute, log, say
        self.states, self.outputs, self.hit = {}, {}, False

    def __call__(self, task_name, **given):
        from kfp.local import status

        step = BY_TASK.get(task_name)
        if task_name in AT_EXIT:
            failed = [one for one in TRACE["order"] if self.of(one) == "failed"]
            os.environ["MLSPEC_FAILED"] = " ".join(failed)
        self.hit, outputs, ended = False, {}, status.Status.FAILURE
        before = dict(os.environ)
        try:
            os.environ.update(secrets(task_name))
            outputs, ended = self.execute(task_name=task_name, **given)
        except (RuntimeError, Missing) as error:
            self.log.ends[task_name] = str(error).splitlines()
            print(error)
        finally:
            os.environ.clear()
            os.environ.update(before)
        good = ended == status.Status.SUCCESS
        self.states[task_name] = (
            "cached" if good and self.hit else "succeeded" if good else "failed"
        )
        self.outputs[task_name] = outputs
        if step and good:
            print(f"{step}: {self.states[task_name]}", file=self.say, flush=True)
        return outputs, ended

    def of(self, name):
        """Return how a step ended. What looks at the world for it is a part of it."""
        step = STEPS[name]
        if self.states.get(step.get("look")) == "failed":
            return "failed"
        return self.states.get(step["task"], "skipped")

    def outcome(self):
        steps = {name: self.of(name) for name in [*TRACE["order"], *TRACE["exit"]]}
        artifacts = {}
        for name in TRACE["order"]:
            made = self.outputs.get(STEPS[name]["task"], {})
            for port, key in STEPS[name]["artifacts"].items():
                if key in made:
                    artifacts[f"{name}.{port}"] = made[key].path
        good = {steps[name] for name in TRACE["order"]} <= GOOD
        state = "succeeded" if good else "failed"
        return {"state": state, "steps": steps, "artifacts": artifacts}


class Missing(Exception):
    """A secret that is not known on this machine."""


def secrets(task):
    """Return the variables of a task that refer to secrets: on a cluster Kubernetes sets them."""
    asked = {
        variable: reference
        for step in STEPS.values()
        if step["task"] == task
        for variable, reference in step.get("secrets", {}).items()
    }
    if not asked:
        return {}
    from mlspec.diagnostic import Problem
    from mlspec.runtime import secret

    try:
        return secret.environment({}, asked)
    except Problem as problem:
        raise Missing(str(problem)) from None


def read(path):
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader))


def is_current(documents):
    """Say whether pipeline.yaml is what pipeline.py and params.py compile to, whatever the image and kfp's version."""
    from google.protobuf import json_format

    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    import pipeline

    made = [json_format.MessageToDict(pipeline.pipeline.pipeline_spec)]
    platform = json_format.MessageToDict(pipeline.pipeline.platform_spec)
    made += [platform] if platform else []
    both = [json.loads(json.dumps(made)), json.loads(json.dumps(documents))]
    for spec, *_ in both:
        spec.pop("sdkVersion")
        for executor in spec["deploymentSpec"]["executors"].values():
            executor["container"].pop("image")
    return both[0] == both[1]


def contained(spec):
    """Let steps in a container be run by docker or podman, which mlspec calls; everything else stays what it is."""
    executors = spec["deploymentSpec"]["executors"]
    for name in TRACE["order"]:
        step = STEPS[name]
        if "container" not in step:
            continue
        container = executors[f"exec-{step['task']}"]["container"]
        variables = {one["name"] for one in container.get("env", [])}
        told = {
            **step["container"],
            "outputs": step["artifacts"],
            "variables": sorted(variables | step.get("secrets", {}).keys()),
            "step": name,
        }
        typed = [f"{key}: Input[Artifact]" for key in told["inputs"].values()]
        typed += [f"{key}: Output[Artifact]" for key in told["outputs"].values()]
        keys = [*told["inputs"].values(), *told["outputs"].values()]
        source = CONTAINED.replace("ARGUMENTS", ", ".join(typed))
        source = source.replace("PLACES", ", ".join(f"{key}={key}" for key in keys))
        source = source.replace("TOLD", repr(json.dumps(told)).replace("{{", "{\x7b"))
        container["command"] = ["sh", "-ec", COMMAND, source]
        container["args"] = [
            "--executor_input",
            "{{$}}",
            "--function_to_execute",
            "contained",
        ]
    return spec


def engine():
    """Say why no container can be run here; None where one can, or none is asked for."""
    if not any("container" in step for step in STEPS.values()):
        return None
    from mlspec.diagnostic import Problem
    from mlspec.runtime import container

    try:
        container.find_engine()
    except Problem as problem:
        return str(problem)
    return None


def run(spec, workspace, arguments, log, say):
    """Run the compiled pipeline and return what became of its tasks."""
    from kfp import components, local
    from kfp.local import cache
    from kfp.local.orchestrator import (
        dag_orchestrator,
        enhanced_dag_orchestrator,
        task_executor,
    )

    # kfp.local has two runners of graphs. The one for graphs without control flow stops at the first failure; the other goes
    # on with the steps that do not need what failed, as a cluster does.
    dag_orchestrator.run_dag = enhanced_dag_orchestrator.run_enhanced_dag
    record = Record(task_executor.execute_single_task, log, say)
    task_executor.execute_single_task = record
    found = cache.LocalCache.get

    def get(self, key):
        told = found(self, key)
        record.hit = told is not None
        return told

    cache.LocalCache.get = get
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(workspace / "artifacts"),
        workspace_root=str(workspace / "scratch"),
        raise_on_error=False,
        enable_caching=True,
        cache_root=str(workspace / "cache"),
    )
    components.load_component_from_text(json.dumps(spec))(**arguments)
    return record


def main():
    parser = argparse.ArgumentParser(description="Run this pipeline on this machine.")
    parser.add_argument("--workspace", type=Path, default=HERE / "workspace")
    parser.add_argument("--data-root", type=Path, default=HERE)
    parser.add_argument("--registry-root", type=Path)
    parser.add_argument("--approvals-root", type=Path)
    given = parser.parse_args()
    workspace = given.workspace.resolve()
    roots = {
        "data_root": given.data_root.resolve(),
        "registry_root": (given.registry_root or workspace / "registry").resolve(),
        "approvals_root": (given.approvals_root or workspace / "approvals").resolve(),
    }
    (workspace / "tmp").mkdir(parents=True, exist_ok=True)
    path = [str(HERE / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    # PYTHONSAFEPATH: a module of yours may be called `pipeline` or `params` too.
    os.environ.update(
        TMPDIR=str(workspace / "tmp"),
        PYTHONPATH=os.pathsep.join(path),
        PYTHONSAFEPATH="1",
        MLSPEC_TRACE=str(HERE / "trace.json"),
    )
    warnings.simplefilter("ignore")  # that limits of cpu and memory mean nothing here
    documents = read(HERE / "pipeline.yaml")
    if not is_current(documents):
        print(
            "pipeline.yaml is not what pipeline.py and params.py give: run `python pipeline.py`"
        )
        sys.exit(2)
    if why := engine():
        print(f"{why}\nnothing was run: steps of this pipeline run in containers")
        sys.exit(2)
    arguments = {
        name: str(roots[name]) for name in TRACE["parameters"] if name in roots
    }
    with open(workspace / "kfp.log", "w", encoding="utf-8") as file:
        log, say = Log(file), sys.stdout
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            record = run(contained(documents[0]), workspace, arguments, log, say)
    ended = record.outcome()
    text = json.dumps(ended, indent=1, sort_keys=True)
    (workspace / "outcome.json").write_text(text + "\n", encoding="utf-8")
    for name, state in ended["steps"].items():
        if state not in GOOD:
            print(f"{name}: {state}")
            step = STEPS[name]
            for line in log.ends.get(step["task"], log.ends.get(step.get("look"), [])):
                print(f"    {line}")
    print(f"{ended['state']}; the full log is {workspace / 'kfp.log'}")
    sys.exit(ended["state"] != "succeeded")


if __name__ == "__main__":
    main()
