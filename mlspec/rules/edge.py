"""Rules about exports and the edge: what a family, a format and a device can do together, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from mlspec import device as devices
from mlspec.diagnostic import Change, Fix, Route
from mlspec.rules._case import Case
from mlspec.rules._columns import seen
from mlspec.rules._families import HISTOGRAMS, LEAST_IN_A_LEAF, ROUNDS, TREES
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.spec.compress import AWARE

LEAVES_A_ROW = 0.03
"""Leaves that a fully grown tree has for each training row, at the least of what we measured (0.04 to 0.22)."""


def sort_of(name: str | None) -> str | None:
    """Return which sort of device a name means, or None."""
    sort = devices.sort_of(name)
    return sort.name if sort else None


def _computes(name: str | None, export: Any) -> bool:
    """Whether the device's runtime computes with the numbers of an export, as far as is known."""
    sort = devices.sort_of(name)
    return sort is None or devices.refused_numbers(sort.runs.get(export.kind), export.quantize) is None


def exports(case: Case) -> Iterator[tuple[Route, Any, str | None, Route]]:
    """Yield (route, export, device, route of the device); an export without a device is for that of `hardware.edge`."""
    edge = case.project.hardware.edge
    wanted: tuple[Any, ...] = case.project.exports
    for index, export in enumerate(wanted):
        route: Route = ("exports", index)
        if export.device is not None:
            yield route, export, export.device, (*route, "device")
        elif edge is not None:
            yield route, export, edge.device, ("hardware", "edge", "device")
        else:
            yield route, export, None, ()


def family(case: Case) -> str:
    """Return the kind of the model, or nothing."""
    return case.project.model.kind if case.project.model else ""


@rule("EDG001", ERROR, reads="exports hardware")
def format_not_for_device(case: Case) -> Iterator[Hit]:
    """The model is exported to a format that its device cannot run.

    ## Why this is bad
    The file is made, passes its gates on another machine, and does not load where it is wanted.

    ## Bad
    ```yaml
    exports: [{kind: onnx, device: cortex_m4, max_size: 100 kB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: c, device: cortex_m4, max_size: 300 kB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: the format or the device may be the wrong one.

    ## Source
    The guide, "Edge Deployment Tools"; https://ai.google.dev/edge/litert/microcontrollers/overview,
    https://coral.ai/docs/edgetpu/models-intro.
    """
    for route, export, device, at in exports(case):
        sort = devices.sort_of(device)
        reason = sort.refuses.get(export.kind) if sort else None
        if reason and sort:
            yield Hit(
                f"`{export.kind}` does not run on `{device}`: {reason}",
                (*route, "kind"),
                help=f"for this device: {sort.better}",
                related=(("the device is named here", at),),
            )


@rule("EDG002", ERROR, reads="exports model")
def family_not_for_format(case: Case) -> Iterator[Hit]:
    """The model is of a family that cannot be brought into the format.

    ## Why this is bad
    Nearest neighbours carry all training rows with them and search them: there is no such operation in these formats. The run
    would stop after training.

    ## Bad
    ```yaml
    model: {kind: sklearn.k_neighbors, params: null}
    exports: [{kind: tflite, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.hist_gradient_boosting, params: null}
    exports: [{kind: tflite, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: another family is a decision.

    ## Source
    Measured: every other family of ours was brought to OpenVINO, TensorFlow Lite and ONNX with no row off (docs/edge.md); an
    estimator of your own is, where it is one of scikit-learn's that these are made of, and a module of your own, where PyTorch
    can capture it and its operations are known; else the run says which one is not.
    """
    for route, export, _, _ in exports(case) if family(case) == "sklearn.k_neighbors" else ():
        if export.kind != "custom":
            yield Hit(
                f"nearest neighbours cannot be brought to `{export.kind}`",
                (*route, "kind"),
                help="another model: boosted trees, logistic regression, `sklearn.mlp`",
                related=(("the model is chosen here", ("model", "kind")),),
            )


@rule("EDG003", ERROR, reads="exports hardware")
def edge_tpu_without_int8(case: Case) -> Iterator[Hit]:
    """A model for a Coral Edge TPU is not quantized to int8.

    ## Why this is bad
    The chip computes in whole numbers of eight bits only: every other operation falls back to the slow processor beside it.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: coral, quantize: none, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: coral, quantize: int8, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: int8 changes what the model answers, a little.

    ## Source
    The guide, "Edge Optimization Strategies: hardware-specific optimization"; https://coral.ai/docs/edgetpu/models-intro.
    """
    for route, export, device, _ in exports(case):
        if sort_of(device) == "coral" and export.kind == "tflite" and not _computes(device, export):
            written = case.wrote(*route, "quantize")
            now = "not quantized" if export.quantize == "none" else f"in {export.quantize}"
            yield Hit(
                f"`{device}` computes in int8 only, and the model is {now}",
                (*route, "quantize" if written else "kind"),
                help="write `quantize: int8`",
                fix=Fix("quantize to int8", (Change("set", (*route, "quantize"), "int8"),), safe=False),
            )


@rule("EDG004", ERROR, reads="exports hardware model")
def trees_on_an_edge_tpu(case: Case) -> Iterator[Hit]:
    """A model of trees is meant for a Coral Edge TPU.

    ## Why this is bad
    The chip multiplies matrices of int8; a tree compares thresholds, which int8 destroys.

    ## Bad
    ```yaml
    exports: [{kind: tflite, device: coral, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: tflite, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: another model or another device is a decision.

    ## Source
    Measured: quantized trees agree with their source in 21 to 82 % of rows; https://coral.ai/docs/edgetpu/models-intro.
    """
    for route, export, device, at in exports(case) if family(case) in TREES else ():
        if sort_of(device) == "coral" and export.kind == "tflite":
            yield Hit(
                f"`{device}` cannot run trees ({family(case)})",
                at or route,
                help="use `sklearn.mlp` for this device, or a device with a processor, such as `raspberry_pi_4`",
                related=(("the model is chosen here", ("model", "kind")),),
            )


@rule("EDG005", (WARNING, ERROR, ERROR), reads="exports model")
def quantized_trees(case: Case) -> Iterator[Hit]:
    """Trees are quantized.

    ## Why this is bad
    Quantizing rounds the thresholds, so rows take other ways through the trees. `c` is no exception that needs it: its whole
    numbers lose nothing.

    ## Bad
    ```yaml
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: dynamic, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: none, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: the file grows; its answers are those of the model.

    ## Source
    Measured: dynamic quantization of tree graphs agrees with the source in 21 to 82 % of rows (walks) or 86 to 97 % (matrices).
    """
    for route, export, _, _ in exports(case) if family(case) in TREES else ():
        if export.quantize != "none" and export.kind not in ("custom", "c"):
            yield Hit(
                f"`quantize: {export.quantize}` rounds the thresholds of the trees: up to four rows of five take another way",
                (*route, "quantize"),
                help="write `quantize: none`; for less room use fewer leaves, or `kind: c`, which loses nothing",
                related=(("the model is chosen here", ("model", "kind")),),
                fix=Fix("do not quantize trees", (Change("set", (*route, "quantize"), "none"),), safe=False),
            )


@rule("EDG006", WARNING, reads="exports data splits")
def too_few_calibration_rows(case: Case) -> Iterator[Hit]:
    """The ranges of int8 are found on too few rows, or on more than there are.

    ## Why this is bad
    A range that is too narrow cuts off large values, and the model answers as if they were not there.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8, calibration_rows: 20, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8, calibration_rows: 500, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: other ranges give slightly other answers.

    ## Source
    Measured: ranges that clip moved probabilities by up to 0.56, the full ones by 0.019;
    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization asks for 100 to 500 rows.
    """
    for route, export, _, _ in exports(case):
        if export.way != "int8":
            continue
        rows, there = export.calibration_rows, case.split_rows.train if case.split_rows else None
        at = (*route, "calibration_rows") if case.wrote(*route, "calibration_rows") else (*route, "quantize")
        if rows < 100:
            fix = Fix("use 500 rows", (Change("set", (*route, "calibration_rows"), 500),), safe=False)
            yield Hit(f"{rows} rows do not show the ranges of numbers", at, help="100 to 500 rows do", fix=fix)
        elif there is not None and rows > there:
            yield Hit(f"{rows} rows are to find the ranges, and training has about {there}", at, help=f"write at most {there}")


@rule("EDG007", ERROR, reads="exports model")
def quantization_training_without_network(case: Case) -> Iterator[Hit]:
    """The model is to learn with int8 numbers, and its family cannot.

    ## Why this is bad
    Only networks whose layers we train by gradients can feel the rounding while they learn, and of those only dense layers and
    convolutions (`torch.mlp`, `torch.cnn`). The run would stop when it exports the model, after all the training.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8_aware, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: the trained model is quantized instead.

    ## Source
    The guide, "Quantization Details: quantization-aware: train with quantization"; Jacob et al. (2018), arXiv:1712.05877.
    """
    kind = family(case)
    for route, export, _, _ in exports(case) if kind and kind not in (*AWARE, *TREES) else ():
        if export.quantize == "int8_aware":
            yield Hit(
                f"`{kind}` cannot be trained with int8 numbers",
                (*route, "quantize"),
                help="write `quantize: int8`, which quantizes after training",
                related=(("the model is chosen here", ("model", "kind")),),
                fix=Fix("quantize after training", (Change("set", (*route, "quantize"), "int8"),), safe=False),
            )


@rule("EDG008", ERROR, reads="exports hardware model")
def hybrid_numbers_on_a_microcontroller(case: Case) -> Iterator[Hit]:
    """A TensorFlow Lite model for a microcontroller is quantized in a way that only larger devices run.

    ## Why this is bad
    The runtime for microcontrollers computes in int8 or in float, and refuses a mixture: the model does not start.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: cortex_m4, quantize: float16, max_size: 100 kB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: cortex_m4, quantize: int8, max_size: 100 kB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: int8 changes what the model answers, a little.

    ## Source
    Measured: float16 and dynamic models stop on TensorFlow Lite Micro with "Hybrid models are not supported".
    """
    for route, export, device, at in exports(case) if family(case) not in TREES else ():
        if sort_of(device) == "microcontroller" and export.kind == "tflite" and not _computes(device, export):
            yield Hit(
                f"`quantize: {export.quantize}` does not run on `{device}`: its runtime takes int8 or float, not both",
                (*route, "quantize"),
                help="write `quantize: int8`",
                related=(("the device is named here", at),),
                fix=Fix("quantize to int8", (Change("set", (*route, "quantize"), "int8"),), safe=False),
            )


@rule("EDG009", WARNING, reads="exports model data task features splits")
def size_budget_too_small(case: Case) -> Iterator[Hit]:
    """The model, as it is configured, needs more room than the export may take.

    The size is counted from below: the numbers alone, without what a format adds.

    ## Why this is bad
    The export fails its gate at the end of a run that could have been spared.

    ## Bad
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null, n_estimators: 500, max_leaf_nodes: 1000}}
    exports: [{kind: onnx, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.random_forest, params: {learning_rate: null, n_estimators: 50, max_leaf_nodes: 100}}
    exports: [{kind: onnx, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: a smaller model or a larger budget is a decision.

    ## Source
    The guide, "Edge Optimization Strategies: model compression, simplified architecture". Counted; leaves that nothing bounds:
    measured, 0.04 to 0.22 for each training row.
    """
    for route, export, _, _ in exports(case):
        if export.max_size is None or export.kind == "custom":
            continue
        parts = _size(case, export)
        if parts is not None and parts[0] > export.max_size:
            size, how, advice = parts
            yield Hit(
                f"{how} take about {_spoken(size)}, and {export.max_size} are allowed",
                (*route, "max_size"),
                help=f"{advice(export.max_size / size)}, or allow {_spoken(size * 1.2)}",
                related=(("the model is chosen here", ("model", "kind")),),
            )


def _spoken(size: float) -> str:
    return f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB" if size >= 1e3 else f"{size:.0f} B"


def _size(case: Case, export: Any) -> tuple[float, str, Any] | None:
    """Return the least size of the model in bytes, what takes it, and what would be smaller."""
    kind = family(case)
    if kind in TREES:
        return _forest(case, export)
    if kind == "sklearn.mlp" and case.features:
        return _network(case, export)
    if kind == "sklearn.k_neighbors" and case.features and case.split_rows:
        rows, wide = case.split_rows.train, len(seen(case))
        return rows * wide * 4.0, f"{rows:,} training rows of {wide} numbers", lambda share: "keep fewer rows, or another family"
    return None


def _forest(case: Case, export: Any) -> tuple[float, str, Any] | None:
    params: Any = case.project.model.params if case.project.model else None
    rows = case.split_rows.train if case.split_rows else None
    kind = family(case)
    if kind == "xgboost" or _stops_somewhere(kind, params, rows):
        return None  # XGBoost's penalties leave few leaves where classes are easily told apart (measured, 3 to 60 of 64)
    rounds, most = ROUNDS.get(kind, "n_estimators"), "num_leaves" if kind == "lightgbm" else "max_leaf_nodes"
    trees, least = getattr(params, rounds), getattr(params, LEAST_IN_A_LEAF[kind])
    if rows is None or isinstance(least, float):
        return None
    deepest = 2**params.max_depth if params.max_depth and params.max_depth < 31 else None
    bounds = [one for one in (getattr(params, most), deepest) if one]
    leaves = min([rows * LEAVES_A_ROW / max(least, 1), *bounds])
    size = trees * (2 * leaves - 1) * (8 if export.kind == "c" else 16)  # a node: feature, threshold, two ways on

    def advice(share: float) -> str:
        fewer, smaller = int(trees * share), int(leaves * share)
        return f"write `{rounds}: {max(fewer, 1)}` or `{most}: {max(smaller, 2)}`"

    return size, f"{trees} trees of about {leaves:,.0f} leaves", advice


def _stops_somewhere(kind: str, params: Any, rows: int | None) -> bool:
    """Whether boosting stops early, after nobody knows how many trees."""
    if kind == HISTOGRAMS:
        return bool(params.early_stopping is True or (params.early_stopping == "auto" and (rows is None or rows > 10_000)))
    return kind == "lightgbm" and params.early_stopping_rounds is not None


def _network(case: Case, export: Any) -> tuple[float, str, Any]:
    params: Any = case.project.model.params if case.project.model else None
    hidden = tuple(params.hidden_layer_sizes)
    widths = (len(seen(case)), *hidden, 1)
    weights = sum(before * after for before, after in pairwise(widths)) + sum(widths[1:])
    bytes_each = {"none": 4, "float16": 2}.get(export.quantize, 1)
    layers = " + ".join(str(one) for one in hidden)
    return (
        weights * bytes_each,
        f"{weights:,} weights ({layers} hidden units) of {bytes_each} B",
        lambda share: f"write about {share ** (0.5 if len(hidden) > 1 else 1):.0%} of the hidden units",
    )


@rule("EDG010", (None, INFO, WARNING), reads="exports deployment")
def edge_export_without_limits(case: Case) -> Iterator[Hit]:
    """A model for the edge has no limit of size or time.

    ## Why this is bad
    A device has little of both; without a limit no gate tells a model that does not fit from one that does.

    ## Bad
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: c, device: cortex_m4}]
    ```

    ## Good
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: c, device: cortex_m4, max_size: 300 kB, max_latency_p95: 20 ms}]
    ```

    ## Fix safety
    None: the device sets the limits.

    ## Source
    The guide, "Hardware Types: edge devices: resource constraints" and "Edge Optimization Strategies".
    """
    deployment = case.project.deployment
    for route, export, device, _ in exports(case) if deployment and deployment.environment == "edge" else ():
        lacking = [name for name in ("max_size", "max_latency_p95") if getattr(export, name) is None]
        if lacking:
            limits = " and no ".join(f"`{name}`" for name in lacking)
            yield Hit(
                f"this export for {f'`{device}`' if device else 'the edge'} has no {limits}",
                (*route, "kind"),
                help="add `max_size` (what the device has left) and `max_latency_p95` (what its user waits)",
            )


@rule("EDG011", (INFO, WARNING, WARNING), reads="exports")
def quantized_without_max_drop(case: Case) -> Iterator[Hit]:
    """An export is quantized, and nothing says how much that may cost.

    ## Why this is bad
    Quantizing mostly costs nothing and now and then half of the accuracy: without a limit the second passes, too.

    ## Bad
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8, max_size: 1 MB}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.mlp, params: null}
    exports: [{kind: tflite, device: raspberry_pi_4, quantize: int8, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: `max_drop: 1 %` is written; how much may be lost is a decision.

    ## Source
    Measured: with preprocessing in the graph, full int8 fell from 77 % to 28 % accuracy; the guide, "Quantization Details".
    """
    for route, export, _, _ in exports(case):
        if export.quantize != "none" and export.max_drop is None:
            yield Hit(
                f"`quantize: {export.quantize}` has no limit on what it may cost",
                (*route, "quantize"),
                help="add `max_drop: 1 %`",
                fix=Fix("allow a drop of 1 %", (Change("set", (*route, "max_drop"), "1 %"),), safe=False),
            )


@rule("EDG012", WARNING, reads="compress")
def unstructured_pruning(case: Case) -> Iterator[Hit]:
    """Single weights are pruned, not whole units.

    ## Why this is bad
    A weight that is zero takes as much room and time as any other: the file stays as large, the model as slow.

    ## Bad
    ```yaml
    compress: {prune: {sparsity: 80 %, structured: false}}
    ```

    ## Good
    ```yaml
    compress: {prune: {sparsity: 50 %, structured: true}}
    ```

    ## Fix safety
    Unsafe: whole units are pruned, which costs more accuracy at the same share.

    ## Source
    Measured: 80 % pruned weights left size (232,712 B) and latency (16.2 µs) as they were; half the units gave 0.27 of the size
    and 2.7 times the speed.
    """
    compress = case.project.compress
    if compress and compress.prune and not compress.prune.structured:
        route: Route = ("compress", "prune", "structured")
        yield Hit(
            f"{compress.prune.sparsity} of the weights become zero, and the model neither smaller nor faster",
            route,
            help="write `structured: true`",
            fix=Fix("prune whole units", (Change("set", route, True),), safe=False),
        )


@rule("EDG013", WARNING, reads="exports hardware")
def misspelt_device(case: Case) -> Iterator[Hit]:
    """A device is written almost as one that is known.

    ## Why this is bad
    Whether format, numbers and device fit together is checked by the device's name.

    ## Bad
    ```yaml
    exports: [{kind: tflite, device: rasberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: tflite, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: there may be a device that is called as you wrote.

    ## Source
    The language: checks go by the name; the guide, "Edge Deployment Tools: platform".
    """
    told = set()
    for _, _, device, at in exports(case):
        told.add(at)
        yield from _misspelt(device, at)
    edge = case.project.hardware.edge
    if edge and ("hardware", "edge", "device") not in told:
        yield from _misspelt(edge.device, ("hardware", "edge", "device"))


def _misspelt(device: str | None, route: Route) -> Iterator[Hit]:
    if device is None or len(device) > 100 or sort_of(device):
        return
    from difflib import get_close_matches

    close = get_close_matches(devices.normal(device), devices.known(), n=1, cutoff=0.75)
    if close:
        fix = Fix(f"write {close[0]}", (Change("set", route, close[0]),), safe=False)
        yield Hit(f"no known device is called `{device}`", route, help=f"did you mean `{close[0]}`?", fix=fix)


@rule("EDG014", (None, INFO, WARNING), reads="exports hardware deployment")
def edge_without_a_device(case: Case) -> Iterator[Hit]:
    """The model is meant for the edge, and nothing says which device that is.

    ## Why this is bad
    Size, speed and even whether the format runs at all depend on the device; nothing of that can be checked.

    ## Bad
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: tflite, max_size: 1 MB, max_latency_p95: 20 ms}]
    ```

    ## Good
    ```yaml
    deployment: {environment: edge, target: local}
    exports: [{kind: tflite, device: raspberry_pi_4, max_size: 1 MB, max_latency_p95: 20 ms}]
    ```

    ## Fix safety
    None: only you know the device.

    ## Source
    The guide, "Edge Optimization Strategies: hardware-specific optimization: platform dependency".
    """
    deployment = case.project.deployment
    if deployment is None or deployment.environment != "edge" or not case.project.exports:
        return
    if all(device is None for _, _, device, _ in exports(case)):
        yield Hit(
            "the model goes to the edge, and nothing says to which device",
            ("deployment", "environment"),
            help="add `device` to the export, or `hardware.edge: {device: raspberry_pi_4}`",
        )


@rule("EDG015", WARNING, reads="exports hardware")
def device_memory_too_small(case: Case) -> Iterator[Hit]:
    """The device has less memory than the file, or than the runtime needs.

    ## Why this is bad
    The process is stopped by the system as soon as it loads the model.

    ## Bad
    ```yaml
    hardware: {edge: {device: raspberry_pi_4, memory: 32 MB}}
    exports: [{kind: openvino, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    hardware: {edge: {device: raspberry_pi_4, memory: 512 MB}}
    exports: [{kind: openvino, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: another runtime, model or device is a decision.

    ## Source
    Measured: peak memory of a process that answers with one small model: LiteRT 41 MB, ONNX Runtime 57, OpenVINO 95.
    """
    edge = case.project.hardware.edge
    if edge is None or edge.memory is None:
        return
    for route, export, device, _ in exports(case):
        if device != edge.device:
            continue
        measured = devices.runtimes() if sort_of(device) in ("raspberry", "linux", "intel", "jetson") else {}
        runtime = measured.get(export.kind)
        at: Route = ("hardware", "edge", "memory")
        if export.max_size is not None and export.max_size > edge.memory:
            yield Hit(
                f"the file may have {export.max_size}, and the model {edge.memory} of memory",
                (*route, "max_size"),
                help=f"write at most {edge.memory}",
                related=(("the memory is given here", at),),
            )
        elif runtime and runtime.peak and edge.memory < runtime.peak * 1e6:
            small = ", ".join(f"`{kind}` {one.peak} MB" for kind, one in measured.items() if (one.peak or 0) * 1e6 <= edge.memory)
            yield Hit(
                f"{runtime.title} alone takes {runtime.peak} MB, and {edge.memory} are there",
                at,
                help=f"give it {runtime.peak * 1.2:.0f} MB, or use {small or '`kind: c`, which needs no runtime'}",
                related=(("the format is chosen here", (*route, "kind")),),
            )


@rule("EDG016", (None, INFO, WARNING), reads="exports model features")
def products_before_exported_trees(case: Case) -> Iterator[Hit]:
    """Numbers are multiplied before trees, and the model is exported.

    ## Why this is bad
    An export computes in short floats. A product that is rounded can land on the other side of a threshold, and the row takes
    another way. (Scaled numbers and logarithms do not: their thresholds are brought back to the raw number.)

    ## Bad
    ```yaml
    features: [{kind: interact, columns: [a, b]}]
    exports: [{kind: onnx, device: raspberry_pi_4, max_size: 10 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    features: []
    exports: [{kind: onnx, device: raspberry_pi_4, max_size: 10 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: the transform is taken out; trees find most products by themselves.

    ## Source
    Measured: of 750 rows one went another way, 0.03 off; with scaled numbers or logarithms before the trees none.
    """
    if family(case) not in TREES or not any(one.kind != "custom" for one in case.project.exports):
        return
    for index, one in enumerate(case.project.features):
        if one.kind == "interact":
            yield Hit(
                "an export rounds products, and a rounded product can go the other way in a tree",
                ("features", index, "kind"),
                help="take the transform out, or let the proof of the export say how many rows it moves",
                related=(("the model is exported here", ("exports", 0)),),
                fix=Fix("take the transform out", (Change("remove", ("features", index)),), safe=False),
            )


@rule("EDG017", WARNING, reads="exports requirements")
def export_slower_than_promised(case: Case) -> Iterator[Hit]:
    """An export may take longer for one prediction than the service may for a whole answer.

    ## Why this is bad
    The export passes its gate, and the service misses its promise.

    ## Bad
    ```yaml
    exports: [{kind: onnx, max_latency_p95: 80 ms, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: onnx, max_latency_p95: 10 ms, max_drop: 1 %}]
    ```

    ## Fix safety
    None: either number may be the wrong one.

    ## Source
    The guide, "Performance Monitoring: latency"; the language: each number is a gate.
    """
    service = case.project.requirements.service
    promised = service.latency_p95 if service else None
    for route, export, _, _ in exports(case):
        if promised is not None and export.max_latency_p95 is not None and export.max_latency_p95 > promised:
            yield Hit(
                f"one prediction may take {export.max_latency_p95}, and a whole answer {promised}",
                (*route, "max_latency_p95"),
                help=f"write less than {promised}: the way there and back takes time, too",
                related=(("the promise is made here", ("requirements", "service", "latency_p95")),),
            )


@rule("EDG018", INFO, reads="exports model task")
def isotonic_calibration_exported(case: Case) -> Iterator[Hit]:
    """A model whose probabilities are calibrated in steps is exported.

    ## Why this is bad
    Isotonic calibration rises in steps. A score that short floats move by a millionth can lie on the other side of a steep one,
    and its probability is off by more than the proof of the export allows.

    ## Bad
    ```yaml
    model: {kind: sklearn.svm, params: {learning_rate: null, calibration: isotonic}}
    exports: [{kind: onnx, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.svm, params: {learning_rate: null, calibration: sigmoid}}
    exports: [{kind: onnx, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    Unsafe: probabilities change a little.

    ## Source
    Measured: 6 of 750 rows were more than 0.0001 off, up to 0.004; with `sigmoid` none was.
    """
    model = case.project.model
    if case.task != "classification" or model is None or getattr(model.params, "calibration", "") != "isotonic":
        return
    for route, export, _, _ in exports(case):
        if export.kind != "custom":
            yield Hit(
                "probabilities calibrated in steps are moved by the short floats of an export",
                (*route, "kind"),
                help="write `calibration: sigmoid`",
                related=(("the model is chosen here", ("model", "params", "calibration")),),
                fix=Fix("calibrate by a sigmoid", (Change("set", ("model", "params", "calibration"), "sigmoid"),), safe=False),
            )


@rule("EDG019", ERROR, reads="exports")
def quantization_not_for_format(case: Case) -> Iterator[Hit]:
    """Numbers are to be shortened in a way that the format does not have.

    ## Why this is bad
    The run would stop when it exports the model, after all the training.

    ## Bad
    ```yaml
    exports: [{kind: onnx, quantize: float16, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    exports: [{kind: onnx, quantize: none, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: which way is right depends on the device.

    ## Source
    Measured: what the quantizers of LiteRT, ONNX Runtime and OpenVINO (NNCF) write for these formats.
    """
    for route, export, _, _ in exports(case):
        if export.realised and export.way not in ("none", *export.quantizes):
            yield Hit(
                f"`{export.kind}` has no `quantize: {export.quantize}`",
                (*route, "quantize"),
                help=f"one of {', '.join(export.quantizes)}, or `none`",
            )


KERNELS_LOSE = {
    ("tflite", "int8"): "label agreement 0.987",
    ("onnx", "int8"): "label agreement 0.983",
    ("openvino", "weights"): "label agreement 0.835, and 0.28 of roc_auc",
}
"""Where a support vector machine loses more than an export may, and what was left of it (docs/edge.md)."""


@rule("EDG020", WARNING, reads="exports model")
def quantized_kernel(case: Case) -> Iterator[Hit]:
    """A support vector machine with a kernel is shortened in a way that it does not stand.

    ## Why this is bad
    Its answer is the sum of thousands of similarities that nearly cancel. Distances that share 256 steps, or weights that lose a
    128th on one side only, leave a sum of errors. The gate of the export fails, after all the training.

    ## Bad
    ```yaml
    model: {kind: sklearn.svm, params: {learning_rate: null}}
    exports: [{kind: tflite, quantize: int8, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Good
    ```yaml
    model: {kind: sklearn.svm, params: {learning_rate: null}}
    exports: [{kind: tflite, quantize: float16, max_size: 1 MB, max_drop: 1 %}]
    ```

    ## Fix safety
    None: another format, another way to shorten, or `kernel: linear` all do, and cost different things.

    ## Source
    Measured on 2,431 support vectors of the churn data: docs/edge.md, what fails.
    """
    model = case.project.model
    if model is None or model.kind != "sklearn.svm" or getattr(model.params, "kernel", "") == "linear":
        return
    for route, export, _, _ in exports(case):
        left = KERNELS_LOSE.get((export.kind, export.quantize))
        if left:
            yield Hit(
                f"`quantize: {export.quantize}` in `{export.kind}` breaks the kernel of the model (measured: {left})",
                (*route, "quantize"),
                help="`float16` or `int16x8` in tflite, `int8` in openvino, `dynamic` in onnx; or `kernel: linear`",
                related=(("the model is chosen here", ("model", "kind")),),
            )


@rule("EDG021", WARNING, reads="exports hardware")
def device_of_no_export(case: Case) -> Iterator[Hit]:
    """`hardware.edge.device` is for exports that name no device, and each names its own.

    ## Why this is bad
    Who reads the spec takes the model to be made for that device, and nothing is.

    ## Bad
    ```yaml
    exports: [{kind: tflite, device: raspberry_pi_4, max_size: 1 MB, max_drop: 1 %}]
    hardware: {edge: {device: cortex_m7}}
    ```

    ## Good
    ```yaml
    exports: [{kind: tflite, max_size: 1 MB, max_drop: 1 %}]
    hardware: {edge: {device: raspberry_pi_4}}
    ```

    ## Fix safety
    None: either place may be the wrong one.

    ## Source
    The language: an export's own device counts.
    """
    edge = case.project.hardware.edge
    wanted: tuple[Any, ...] = case.project.exports
    named = [one.device for one in wanted if one.device is not None]
    if edge is None or not wanted or len(named) < len(wanted) or edge.device in named:
        return
    yield Hit(
        f"no export is for `{edge.device}`: each names a device of its own",
        ("hardware", "edge", "device"),
        help="leave one of them out",
        related=(("such as this one", ("exports", 0, "device")),),
    )
