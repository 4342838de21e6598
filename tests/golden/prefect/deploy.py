"""Brings the deployment to a Prefect server: secrets, a work pool, and the flow.

    python deploy.py process | docker | kubernetes | secrets

The server is that of PREFECT_API_URL, or of Prefect's profile. A work pool that is there
stays as it is. `secrets` makes the Secret blocks alone.
"""

import argparse
import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

ROOT = Path(__file__).resolve().parent

POOLS = {
    "docker": "breast-cancer-docker",
    "kubernetes": "breast-cancer-kubernetes",
    "process": "breast-cancer",
}
"""The work pool of each sort."""

FILES = {
    "docker": "prefect.docker.yaml",
    "kubernetes": "prefect.kubernetes.yaml",
    "process": "prefect.yaml",
}
"""What describes the deployment, by sort of work pool. They describe the same one."""

ACCELERATORS = {}
"""The kinds of accelerator that a job may ask for, as Kubernetes calls them."""

WORKSPACE = "/opt/prefect/workspace"
"""Where a job finds the volume that all its runs share."""


def main() -> int:
    """Do what is asked and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*POOLS, "secrets"])
    what = parser.parse_args().what
    with get_client(sync_client=True) as client:
        if what == "secrets":
            return 0
        make_pool(client, what)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    command += ["--prefect-file", FILES[what]]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def make_pool(client: SyncPrefectClient, sort: str) -> None:
    """Make the work pool of a sort where there is none of its name."""
    try:
        client.read_work_pool(POOLS[sort])
    except ObjectNotFound:
        template = base_job_template(sort, client.read_worker_metadata())
        pool = WorkPoolCreate(name=POOLS[sort], type=sort, base_job_template=template)
        client.create_work_pool(pool)
        print(f"the work pool {POOLS[sort]} is made")


def base_job_template(sort: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what the jobs of a pool are made from: Prefect's own template.

    That of Kubernetes gains what Prefect's leaves out: accelerators, labels of the machine,
    taints that are no hindrance, and the volume of the workspace.
    """
    found = next(one[sort] for one in metadata.values() if sort in one)
    template: dict[str, Any] = copy.deepcopy(found["default_base_job_configuration"])
    if sort == "kubernetes":
        _extend(template)
    return template


def _extend(template: dict[str, Any]) -> None:
    told = template["variables"]["properties"]
    told["node_selector"] = _texts("Labels that the machine must have.")
    told["tolerations"] = {
        "title": "Tolerations",
        "description": "Taints of machines that are no hindrance.",
        "type": "array",
        "items": {"type": "object"},
        "default": [],
    }
    told["workspace_claim"] = {
        "title": "Workspace claim",
        "description": "The PersistentVolumeClaim that all runs share.",
        "type": "string",
    }
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    pod["nodeSelector"] = "{{ node_selector }}"
    pod["tolerations"] = "{{ tolerations }}"
    claim = {"claimName": "{{ workspace_claim }}"}
    pod["volumes"] = [{"name": "workspace", "persistentVolumeClaim": claim}]
    (container,) = pod["containers"]
    container["volumeMounts"] = [{"name": "workspace", "mountPath": WORKSPACE}]
    for kind, variable in ACCELERATORS.items():
        told[variable] = {
            "title": kind,
            "description": f"How many of {kind}.",
            "type": "string",
        }
        limit = "{{ " + variable + " }}"
        container["resources"]["limits"][kind] = limit


def _texts(description: str) -> dict[str, Any]:
    return {
        "title": "Node selector",
        "description": description,
        "type": "object",
        "additionalProperties": {"type": "string"},
        "default": {},
    }


if __name__ == "__main__":
    sys.exit(main())
