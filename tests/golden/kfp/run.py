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


class Log(io.TextIOBase):
    """Takes what kfp and the tasks print: keeps it in a file, tells of each task that is done, remembers how failures ended."""

    def __init__(self, file, say):
        self.file, self.say = file, say
        self.steps = {step["task"]: name for name, step in TRACE["steps"].items()}
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
        elif told and told[1] in self.steps:
            step = self.steps[told[1]]
            if told[2] == "SUCCESS":
                print(f"{step}: succeeded", file=self.say, flush=True)
            else:
                self.ends[step] = self.reason()
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


def is_current():
    """Say whether pipeline.yaml is what pipeline.py and params.py compile to, whatever the image and kfp's version."""
    import yaml
    from google.protobuf import json_format

    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    import pipeline

    specs = [
        json_format.MessageToDict(pipeline.pipeline.pipeline_spec),
        yaml.safe_load((HERE / "pipeline.yaml").read_text(encoding="utf-8")),
    ]
    for spec in specs:
        spec.pop("sdkVersion")
        for executor in spec["deploymentSpec"]["executors"].values():
            executor["container"].pop("image")
    return specs[0] == specs[1]


def run(workspace, arguments):
    """Run the compiled pipeline and return the directory that holds a directory for each task."""
    from kfp import components, local
    from kfp.local.orchestrator import dag_orchestrator, enhanced_dag_orchestrator

    # kfp.local has two runners of graphs. The one for graphs without control flow stops at the first failure; the other goes
    # on with the steps that do not need what failed, as a cluster does.
    dag_orchestrator.run_dag = enhanced_dag_orchestrator.run_enhanced_dag
    root = workspace / "artifacts"
    before = set(root.glob("*"))
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        workspace_root=str(workspace / "scratch"),
        raise_on_error=False,
    )
    components.load_component_from_file(str(HERE / "pipeline.yaml"))(**arguments)
    return next(iter(set(root.glob("*")) - before), root / "nothing")


def outcome(place):
    """Read from a run's files how each step ended: kfp writes executor_output.json for a task that succeeds."""
    steps, artifacts = {}, {}
    for name in TRACE["order"]:
        step = TRACE["steps"][name]
        task = place / step["task"]
        ready = all(steps[need] == "succeeded" for need in step["needs"])
        done = (task / "executor_output.json").exists()
        steps[name] = "succeeded" if done else "failed" if ready else "skipped"
        for port, key in step["outputs"].items():
            if (task / key).exists():
                artifacts[f"{name}.{port}"] = str(task / key)
    state = "succeeded" if set(steps.values()) <= {"succeeded"} else "failed"
    return {"state": state, "steps": steps, "artifacts": artifacts}


def main():
    parser = argparse.ArgumentParser(description="Run this pipeline on this machine.")
    parser.add_argument("--workspace", type=Path, default=HERE / "workspace")
    parser.add_argument("--data-root", type=Path, default=HERE)
    parser.add_argument("--registry-root", type=Path)
    given = parser.parse_args()
    workspace = given.workspace.resolve()
    roots = {
        "data_root": given.data_root.resolve(),
        "registry_root": (given.registry_root or workspace / "registry").resolve(),
    }
    (workspace / "tmp").mkdir(parents=True, exist_ok=True)
    path = [str(HERE / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    # PYTHONSAFEPATH: a module of yours may be called `pipeline` or `params` too.
    os.environ.update(
        TMPDIR=str(workspace / "tmp"),
        PYTHONPATH=os.pathsep.join(path),
        PYTHONSAFEPATH="1",
    )
    warnings.simplefilter("ignore")  # that limits of cpu and memory mean nothing here
    if not is_current():
        print(
            "pipeline.yaml is not what pipeline.py and params.py give: run `python pipeline.py`"
        )
        sys.exit(2)
    arguments = {
        name: str(roots[name]) for name in TRACE["parameters"] if name in roots
    }
    with open(workspace / "kfp.log", "w", encoding="utf-8") as file:
        log = Log(file, sys.stdout)
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            place = run(workspace, arguments)
    ended = outcome(place)
    text = json.dumps(ended, indent=1, sort_keys=True)
    (workspace / "outcome.json").write_text(text + "\n", encoding="utf-8")
    for name, state in ended["steps"].items():
        if state != "succeeded":
            print(f"{name}: {state}")
            for line in log.ends.get(name, []):
                print(f"    {line}")
    print(f"{ended['state']}; the full log is {workspace / 'kfp.log'}")
    sys.exit(ended["state"] != "succeeded")


if __name__ == "__main__":
    main()
