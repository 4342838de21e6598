"""Rules about machines: accelerators that cannot help, memory that does not suffice, machines that are taken away."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostic import Change, Fix, Route
from mlspec.quantity import Bytes
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._columns import seen
from mlspec.rules._families import BOOSTING, DEEP, HISTOGRAMS, classical
from mlspec.rules._rule import INFO, WARNING, Hit, rule

CHIP = (
    r"(?:a10g?|a30|a40|a100|a6000|h100|h200|gh200|b100|b200|gb200|l4|l40s?|t4|t4g|v100|p4|p40|p100|k80|m60|mi\d{2,3}\w*"
    r"|(?:rtx|gtx)[ _-]?\w+)(?:[ _-]?\d+\s?gb|[ _-]?(?:sxm\d?|pcie|vws|nvl))*"
)
ACCELERATORS = lazy(
    rf"(?:\d+\s*x?\s*)?(?:gpu|npu|vpu|fpga|mps|cuda|rocm|(?:nvidia|amd|intel|habana|google|aws)(?:\.com)?(?:/[\w.-]+)?"
    rf"|(?:nvidia|amd)?[ _-]?(?:tesla|geforce|quadro|instinct)?[ _-]?{CHIP}|(?:google|cloud|gke)?[ _-]?tpu[\w. -]*"
    r"|gaudi[ _-]?\d?|inferentia[ _-]?\d?|trainium[ _-]?\d?|neuron\w*|edge_?tpu|coral)(?:\s*[x:*]\s*\d+)?"
)
"""Names of accelerators as clouds, Kubernetes and people write them."""

KNOWN = (
    "gpu", "tpu", "npu", "fpga", "nvidia", "nvidia-tesla-t4", "nvidia-tesla-a100", "nvidia-tesla-v100", "nvidia-h100",
    "nvidia-l4", "nvidia.com/gpu", "amd.com/gpu", "a100", "h100", "v100", "inferentia", "trainium", "gaudi",
)  # fmt: skip
MEANT = {"gpus": "gpu", "graphics": "gpu", "graphics_card": "gpu", "tpus": "tpu", "yes": "gpu", "true": "gpu"}


def accelerators(case: Case) -> Iterator[tuple[Route, str]]:
    """Yield (route, name) of each accelerator that is asked for."""
    for part in ("training", "serving"):
        machine = getattr(case.project.hardware, part)
        if (
            machine is not None
            and machine.accelerator
            and len(machine.accelerator) < 100
            and machine.accelerator.lower() not in ("none", "cpu")
        ):
            yield ("hardware", part, "accelerator"), machine.accelerator


@rule("HRD001", WARNING, reads="hardware model")
def gpu_for_a_classical_model(case: Case) -> Iterator[Hit]:
    """An accelerator is asked for, and the model cannot use one.

    ## Why this is bad
    scikit-learn's models compute on processors, and so do XGBoost and LightGBM as mlspec calls them: the accelerator is paid for,
    waited for, and idle.

    ## Bad
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB, accelerator: gpu}}
    ```

    ## Good
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB}}
    ```

    ## Fix safety
    Unsafe: the accelerator is no longer asked for; what is computed stays the same.

    ## Source
    The guide, "Hardware Types: CPUs: simple models, inference; GPUs: deep learning, expensive".
    """
    for route, name in accelerators(case) if classical(case.project.model) else ():
        kind = case.project.model.kind  # type: ignore[union-attr]
        on_one_core = kind in BOOSTING - {HISTOGRAMS}
        if "tpu" not in name.lower():
            yield Hit(
                f"`{name}` would be idle: `{kind}` computes on processors",
                route,
                help="take it out" + ("" if on_one_core else "; more `cpu` is what speeds this model up"),
                related=(("the model is chosen here", ("model", "kind")),),
                fix=Fix("do not ask for it", (Change("remove", route),), safe=False),
            )


@rule("HRD002", WARNING, reads="hardware model")
def tpu_without_a_compiler(case: Case) -> Iterator[Hit]:
    """A TPU is asked for, and the model is not written for one.

    ## Why this is bad
    A TPU runs what XLA compiles, from TensorFlow, JAX or PyTorch/XLA; anything else does not start on it.

    ## Bad
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB, accelerator: tpu-v5e}}
    ```

    ## Good
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB}}
    ```

    ## Fix safety
    Unsafe: the accelerator is no longer asked for; what is computed stays the same.

    ## Source
    The guide, "Hardware Types: TPUs: large-scale ML, limited availability"; https://docs.cloud.google.com/tpu/docs/intro-to-tpu.
    """
    for route, name in accelerators(case) if classical(case.project.model) else ():
        if "tpu" in name.lower():
            yield Hit(
                f"`{name}` runs what XLA compiles; `{case.project.model.kind}` is not of that sort",  # type: ignore[union-attr]
                route,
                help="take it out: this model computes on processors",
                related=(("the model is chosen here", ("model", "kind")),),
                fix=Fix("do not ask for it", (Change("remove", route),), safe=False),
            )


@rule("HRD003", WARNING, reads="hardware")
def misspelt_accelerator(case: Case) -> Iterator[Hit]:
    """An accelerator is written almost as one that is known.

    ## Why this is bad
    The scheduler finds no machine with it, and the job waits for ever.

    ## Bad
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: null}
    hardware: {training: {cpu: 4, memory: 8 GiB, accelerator: nvidia-telsa-t4}}
    ```

    ## Good
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: null}
    hardware: {training: {cpu: 4, memory: 8 GiB, accelerator: nvidia-tesla-t4}}
    ```

    ## Fix safety
    Unsafe: there may be an accelerator that is called as you wrote.

    ## Source
    The guide, "Hardware Types"; the language: machines are chosen by the name.
    """
    for route, name in accelerators(case):
        word = name.lower()
        from difflib import get_close_matches

        close = [MEANT[word]] if word in MEANT else get_close_matches(word, KNOWN, n=1, cutoff=0.75)
        if close and close[0] != word and not ACCELERATORS.fullmatch(word):
            fix = Fix(f"write {close[0]}", (Change("set", route, close[0]),), safe=False)
            yield Hit(f"no known accelerator is called `{name}`", route, help=f"did you mean `{close[0]}`?", fix=fix)


@rule("HRD004", WARNING, reads="hardware pipeline")
def spot_without_retries(case: Case) -> Iterator[Hit]:
    """Training runs on a machine that may be taken away, and nothing starts it again.

    ## Why this is bad
    The machine goes, the step fails, and the run with it: what was saved is paid back with a lost night.

    ## Bad
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB, spot: true}}
    pipeline: {retries: 0}
    ```

    ## Good
    ```yaml
    hardware: {training: {cpu: 4, memory: 8 GiB, spot: true}}
    pipeline: {retries: 3}
    training: {checkpoint: {every: 10 min}}
    ```

    ## Fix safety
    Unsafe: a failed step is tried again, whatever it failed of.

    ## Source
    The guide, "Cost Optimization: Spot Instances: 70-90 % savings, may be interrupted".
    """
    training = case.project.hardware.training
    if training and training.spot and case.project.pipeline.retries == 0:
        yield Hit(
            "this machine may be taken away, and a failed step is not tried again",
            ("hardware", "training", "spot"),
            help="write `pipeline: {retries: 3}`",
            fix=Fix("try three times again", (Change("set", ("pipeline", "retries"), 3),), safe=False)
            if case.wrote("pipeline")
            else None,
        )


@rule("HRD005", (INFO, WARNING, WARNING), reads="hardware training model")
def spot_without_checkpoint(case: Case) -> Iterator[Hit]:
    """Long training runs on a machine that may be taken away, and keeps no state to go on from.

    Long is a search for hyperparameters, training on several machines, a network, or a model of your own.

    ## Why this is bad
    Each time the machine goes, training starts afresh; a training longer than the machines last never ends.

    ## Bad
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: null}
    hardware: {training: {cpu: 4, memory: 8 GiB, spot: true}}
    ```

    ## Good
    ```yaml
    model: {kind: custom, entrypoint: "my.net:build", params: null}
    hardware: {training: {cpu: 4, memory: 8 GiB, spot: true}}
    training: {checkpoint: {every: 10 min, resume: true}}
    ```

    ## Fix safety
    Unsafe: a state is kept every ten minutes, which takes room and a little time.

    ## Source
    The guide, "Cost Optimization: Spot Instances: may be interrupted" and "Save checkpoints during long training runs".
    """
    machine, training = case.project.hardware.training, case.project.training
    if machine is None or not machine.spot or (training.checkpoint and training.checkpoint.resume):
        return
    model = case.project.model
    long = (
        "the search for hyperparameters" if training.tuning
        else "training on several machines" if training.distributed
        else "training" if model and (model.own or model.kind in DEEP)
        else None
    )  # fmt: skip
    if long:
        keeps = "does not go on from its checkpoints" if training.checkpoint else "keeps no checkpoint"
        fix = Fix("keep checkpoints", (Change("set", ("training", "checkpoint"), {"every": "10 min"}),), safe=False)
        yield Hit(
            f"this machine may be taken away, and {long} {keeps}",
            ("hardware", "training", "spot"),
            help="write `training: {checkpoint: {every: 10 min, resume: true}}`",
            fix=fix if case.wrote("training") and not training.checkpoint else None,
        )


@rule("HRD006", WARNING, reads="hardware data task features")
def memory_below_the_data(case: Case) -> Iterator[Hit]:
    """The training rows do not fit into the memory that training gets.

    Counted are the declared features as numbers of eight bytes, a column for each declared value of a category where the family
    takes it so.

    ## Why this is bad
    The step is stopped by the system at its peak, without a word of explanation in its log.

    ## Bad
    ```yaml
    data: {volume: {rows: 500000000}}
    hardware: {training: {cpu: 4, memory: 8 GiB}}
    ```

    ## Good
    ```yaml
    data: {volume: {rows: 500000000}}
    hardware: {training: {cpu: 4, memory: 64 GiB}}
    ```

    ## Fix safety
    None: more memory or fewer rows is a decision.

    ## Source
    Counted: rows × columns × 8 bytes, the size of the matrix that scikit-learn fits; the guide, "Memory Issues: out of memory
    errors".
    """
    machine, rows = case.project.hardware.training, case.split_rows
    model = case.project.model
    if machine is None or machine.memory is None or rows is None or model is None or not classical(case.project.model):
        return
    one_hot = model.needs().categories == "one_hot"
    columns = sum(len(column.values) if one_hot and (column := case.columns[name]).values else 1 for name in seen(case))
    need = rows.train * columns * 8
    if need > machine.memory:
        enough = -(-need * 2 // 2**30)
        yield Hit(
            f"{rows.train:,} training rows of {columns} columns are {need / 2**30:.1f} GiB, and training gets {machine.memory}",
            ("hardware", "training", "memory"),
            help=f"write `{Bytes(enough * 2**30)}`: the matrix and one copy of it",
        )


@rule("HRD007", (None, INFO, INFO), reads="hardware requirements deployment")
def part_of_a_core_for_a_quick_answer(case: Case) -> Iterator[Hit]:
    """A service with less than a whole core must answer within 100 ms.

    ## Why this is bad
    The system deals out time in periods of 100 ms: who has half a core and has used up its 50 ms waits for the next period.

    ## Bad
    ```yaml
    hardware: {serving: {cpu: 0.5, memory: 1 GiB}}
    ```

    ## Good
    ```yaml
    hardware: {serving: {cpu: 1, memory: 1 GiB}}
    ```

    ## Fix safety
    Unsafe: each replica asks for a whole core, which costs more.

    ## Source
    The period of the Linux scheduler, https://docs.kernel.org/scheduler/sched-bwc.html; the guide, "Latency: below 100 ms for
    real-time".
    """
    serving, service, deployment = case.project.hardware.serving, case.project.requirements.service, case.project.deployment
    promised = service.latency_p99 or service.latency_p95 if service else None
    if serving is None or serving.cpu is None or serving.cpu >= 1 or promised is None or promised >= 0.1:
        return
    if deployment is None or deployment.serve != "online":
        return
    route: Route = ("hardware", "serving", "cpu")
    key = "latency_p99" if service and service.latency_p99 else "latency_p95"
    yield Hit(
        f"with {serving.cpu:g} of a core a busy moment waits up to {100 * (1 - serving.cpu):.0f} ms; {promised} are promised",
        route,
        help="write `cpu: 1`, or see that no limit (only a request) is made of it",
        related=(("the promise is made here", ("requirements", "service", key)),),
        fix=Fix("ask for a whole core", (Change("set", route, 1),), safe=False),
    )
