"""Bring pipeline.yaml to Kubeflow Pipelines: upload it, run it, have it run on schedule.

The API is at KF_PIPELINES_ENDPOINT, as for kfp itself; KFP_TOKEN and KFP_NAMESPACE are
read where they are set. What a version is called follows from what it holds: the same
pipeline is uploaded once, however often this runs.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
NAME = "breast-cancer"
DESCRIPTION = (
    "Radiologists want a second reading of fine-needle samples, ranked by risk."
)
# Six fields, seconds first; UTC.
CRON = None
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PIPELINES = {"apiVersion": "pipelines.kubeflow.org/v2beta1"}


def documents():
    """Return what pipeline.yaml holds: the pipeline, and what Kubernetes is told besides."""
    with open(HERE / "pipeline.yaml", encoding="utf-8") as file:
        return list(yaml.load_all(file, Loader=LOADER))


def version():
    told = json.dumps(documents(), sort_keys=True)
    return f"{NAME[:50].strip('-')}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def connect():
    import kfp

    given = {"existing_token": os.environ.get("KFP_TOKEN")}
    if os.environ.get("KFP_NAMESPACE"):
        given["namespace"] = os.environ["KFP_NAMESPACE"]
    return kfp.Client(**given)


def named(name):
    """Return a filter for what has this name, as the API reads it."""
    equal = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [equal]})


def upload(client):
    """Upload this version unless it is there; return the ids of pipeline and version."""
    pipeline = client.get_pipeline_id(NAME)
    if pipeline is None:
        # This makes a first version of its own, which has the pipeline's name.
        pipeline = client.upload_pipeline(
            str(HERE / "pipeline.yaml"),
            pipeline_name=NAME,
            description=DESCRIPTION,
            namespace=os.environ.get("KFP_NAMESPACE"),
        ).pipeline_id
    known = client.list_pipeline_versions(pipeline, filter=named(version()))
    found = next(iter(known.pipeline_versions or []), None)
    if found is None:
        found = client.upload_pipeline_version(
            str(HERE / "pipeline.yaml"),
            pipeline_version_name=version(),
            pipeline_id=pipeline,
            description=DESCRIPTION,
        )
    return pipeline, found.pipeline_version_id


def run(client, given):
    """Start a run. `enable_caching` stays unset: it would count for every task alike."""
    pipeline, uploaded = upload(client)
    started = client.run_pipeline(
        experiment(client, given),
        given.job or version(),
        pipeline_id=pipeline,
        version_id=uploaded,
        params=arguments(given),
        pipeline_root=given.pipeline_root,
        service_account=given.service_account,
    )
    print(started.run_id)
    if given.wait:
        ended = client.wait_for_run_completion(started.run_id, timeout=given.wait)
        print(ended.state)
        sys.exit(ended.state != "SUCCEEDED")


def schedule(client, given):
    """Have it run by itself, and end the schedule that was there before."""
    if not given.cron:
        sys.exit("the spec sets no schedule: name one with --cron (six fields, UTC)")
    if len(given.cron.split()) != 6:
        sys.exit(f"{given.cron!r} has not six fields, of which the first is seconds")
    pipeline, uploaded = upload(client)
    place, name = experiment(client, given), given.job or NAME
    before = client.list_recurring_runs(
        experiment_id=place, filter=named(name), page_size=100
    )
    made = client.create_recurring_run(
        place,
        name,
        description=DESCRIPTION,
        cron_expression=given.cron,
        max_concurrency=1,
        no_catchup=True,
        pipeline_id=pipeline,
        version_id=uploaded,
        params=arguments(given),
        pipeline_root=given.pipeline_root,
        service_account=given.service_account,
    )
    for one in before.recurring_runs or []:
        client.delete_recurring_run(one.recurring_run_id)
    print(made.recurring_run_id)


def experiment(client, given):
    place = given.experiment or NAME
    return client.create_experiment(
        place, namespace=os.environ.get("KFP_NAMESPACE")
    ).experiment_id


def arguments(given):
    """Return the parameters of a run: KEY=VALUE of the command line."""
    declared = documents()[0]["root"].get("inputDefinitions", {}).get("parameters", {})
    found = dict(one.split("=", 1) for one in given.param)
    if unknown := sorted(found.keys() - declared.keys()):
        sys.exit(f"the pipeline has no parameter {', '.join(unknown)}")
    return found


def write():
    """Write the other forms of pipeline.yaml: objects of Kubernetes, and one document."""
    spec, *platform = documents()
    about = {"description": DESCRIPTION, "displayName": NAME}
    head = {**PIPELINES, "kind": "Pipeline", "metadata": {"name": NAME}, "spec": about}
    told = {"description": DESCRIPTION, "displayName": version()}
    told |= {"pipelineName": NAME, "pipelineSpec": spec}
    if platform:
        told["platformSpec"] = platform[0]
    tail = {**PIPELINES, "kind": "PipelineVersion", "metadata": {"name": version()}}
    with open(HERE / "kubernetes.yaml", "w", encoding="utf-8") as file:
        yaml.dump_all([head, {**tail, "spec": told}], file, Dumper=DUMPER)
    with open(HERE / "pipeline.vertex.yaml", "w", encoding="utf-8") as file:
        yaml.dump(spec, file, Dumper=DUMPER)


def main():
    parser = argparse.ArgumentParser(description="Bring this pipeline to Kubeflow.")
    does = parser.add_subparsers(dest="do", required=True)
    does.add_parser("upload", help="upload this version unless it is there")
    does.add_parser("write", help="write kubernetes.yaml and pipeline.vertex.yaml anew")
    for name in ("run", "schedule"):
        one = does.add_parser(name, help=f"upload, then {name} it")
        one.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
        one.add_argument("--experiment", help="where runs are listed")
        one.add_argument("--job", help="the name of the run or of the schedule")
        one.add_argument("--pipeline-root", help="where artifacts are kept")
        one.add_argument("--service-account", help="as whom the pods run")
        if name == "run":
            one.add_argument("--wait", type=int, metavar="SECONDS", help="for its end")
        else:
            one.add_argument("--cron", default=CRON, help="six fields, in UTC")
    given = parser.parse_args()
    if given.do == "write":
        write()
    elif given.do == "upload":
        print(*upload(connect()))
    else:
        {"run": run, "schedule": schedule}[given.do](connect(), given)


if __name__ == "__main__":
    main()
