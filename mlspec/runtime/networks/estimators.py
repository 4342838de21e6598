"""Fit and run the estimators of `mlspec.families._network`: what of them needs NumPy and PyTorch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mlspec.diagnostic import Finding, Problem, Route
from mlspec.entrypoint import blame, load
from mlspec.runtime.networks import pruning
from mlspec.runtime.networks.layers import Chance, Network, built, fitted, loaded, run
from mlspec.runtime.networks.rounding import Rounding
from mlspec.runtime.networks.training import (
    AT_ONCE,
    Plan,
    Progress,
    Rows,
    answered,
    chosen_device,
    drawn_alone,
    learned,
    reproducible,
    seed_of,
)

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

GENTLY = 0.3
"""What the learning rate is multiplied by while a network learns to round: it is where it should be, but for roundings."""


def shape_of(asked: Sequence[int] | None, features: int, usual: str, route: Route) -> Shape:
    """Return how a row is read; raise Problem where that takes another number of features."""
    if asked is None and usual == "image":
        side = math.isqrt(features)
        if side * side != features:
            message = f"{features} features are no square image of one channel"
            raise Problem(Finding("wrong-shape", message, route, help="write `shape: [height, width, channels]`", on="key"))
        return (side, side, 1)
    if asked is None:
        return (features, 1) if usual == "sequence" else (features,)
    if math.prod(asked) != features:
        written = " × ".join(map(str, asked))
        message = f"`shape` takes {written} = {math.prod(asked)} features a row, and there are {features}"
        raise Problem(
            Finding(
                "wrong-shape",
                message,
                route,
                help="features fill it in their order, channels last",
            )
        )
    return tuple(asked)


def made_of_layers(body: Sequence[Mapping[str, Any]], outputs: int, seed: int, rows: Any) -> Network:
    """Return the network that a description means, with weights that the seed decides."""
    end = {"kind": "dense", "units": outputs, "activation": None}
    layers, _ = built([*body, end], (rows.shape[1],), Chance(seed_of(seed, "weights")), rows)
    return Network(layers)


def made_by_user(entrypoint: str, task: str, shape: Shape, outputs: int, params: Mapping[str, Any], seed: int) -> Any:
    """Return the module that the user's function builds."""
    build = load(entrypoint)
    with drawn_alone(), blame(entrypoint):
        torch.manual_seed(seed_of(seed, "weights"))
        module = build(task, asked_for(shape), outputs, **params)
    return of_type(module, torch.nn.Module, "torch.nn.Module", entrypoint)


def asked_for(shape: Shape) -> Shape | int:
    """A row's shape as a function of the user's is told it: features side by side are a number."""
    return shape if len(shape) > 1 else shape[0]


def of_type(module: Any, wanted: type, name: str, entrypoint: str) -> Any:
    """Return what a function of the user's gave; raise Problem where that is nothing to train."""
    if not isinstance(module, wanted):
        message = f"{entrypoint} gave {type(module).__name__}, which is no {name}"
        raise Problem(Finding("not-a-module", message, ("model", "entrypoint"), help="return the module itself"))
    return module


class Shaped(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not read by mypy here
    """A module of the user's that gets rows in the shape it was built for; a fault in it is told by the lines of the user's."""

    def __init__(self, module: Any, shape: Sequence[int], entrypoint: str, rows: Any, outputs: int) -> None:
        super().__init__()
        self.module, self.shape, self.entrypoint = module, tuple(shape), entrypoint
        with drawn_alone(), torch.no_grad(), blame(entrypoint):
            given = module.eval()(rows[:2].reshape(-1, *self.shape))
        checked(given, entrypoint, len(rows[:2]), outputs)

    def forward(self, rows: Any) -> Any:
        with blame(self.entrypoint):
            return self.module(rows.reshape(-1, *self.shape))


class Answering(torch.nn.Module):  # type: ignore[misc]
    """A module of the user's, and what makes answers of its numbers: shares of classes, or numbers in the target's own unit."""

    def __init__(self, module: Any, scale: float, shift: float, shares: bool) -> None:
        super().__init__()
        self.module, self.scale, self.shift, self.shares = module, scale, shift, shares

    def forward(self, rows: Any) -> Any:
        given = self.module(rows)
        return given.softmax(1) if self.shares else given * self.scale + self.shift


def checked(given: Any, entrypoint: str, rows: int, outputs: int) -> None:
    """Raise Problem where a module of the user's gives something else for some rows than a number for each output."""
    size = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    if size != (rows, outputs):
        message = f"the module of {entrypoint} gives {size} for {rows} rows, and {outputs} numbers a row are wanted"
        help_text = "one number for each class, before softmax" if outputs > 1 else "one number a row"
        raise Problem(Finding("wrong-shape", message, ("model", "entrypoint"), help=help_text))


def fit(estimator: Any, features: Array, answers: Array, weights: Array | None) -> None:
    """Train an estimator's network on numbers: classes are 0, 1, 2 … Sets what its predictions need."""
    device = chosen_device(estimator.settings["device"], estimator.device_route)
    classes = getattr(estimator, "classes_", None)
    outputs, scale, shift = (
        (len(classes), 1.0, 0.0) if classes is not None else (1, float(answers.std()) or 1.0, float(answers.mean()))
    )
    numbers = _numbers(features)
    known = torch.from_numpy(answers.astype(np.int64) if classes is not None else ((answers - shift) / scale).astype(np.float32))
    lessons = None if estimator.lessons is None else torch.from_numpy(((estimator.lessons - shift) / scale).astype(np.float32))
    counts = torch.from_numpy(np.ones(len(answers), np.float32) if weights is None else weights.astype(np.float32))
    with reproducible():
        rows, held = _split(estimator, Rows(numbers, known, counts, lessons), answers, classes is not None)
        plan = _plan(estimator, device, scale, classes is not None)
        network, progress = estimator.learn(rows, held, plan, outputs)
        estimator.keep(network, scale, shift)
    _told(estimator, progress, device)


def learn(estimator: Any, network: Any, rows: Rows, held: Rows | None, plan: Plan) -> tuple[Any, Progress]:
    """Train a network of PyTorch as an estimator asks; return it, and how that went."""
    progress = learned(network, rows, held, plan, estimator.states)
    if estimator.settings["prune"]:
        network, progress = _pruned(estimator, network.cpu(), rows, held, plan, progress)
    if estimator.settings["quantize_aware"]:
        network, progress = _rounded(estimator, network.cpu(), rows, held, plan, progress)
    return network.cpu(), progress


def _numbers(features: Array) -> Any:
    return torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))


def _split(estimator: Any, rows: Rows, answers: Array, stratified: bool) -> tuple[Rows, Rows | None]:
    """Hold rows back to stop early: the same ones for the same seed, and of each class as many as its share is."""
    if estimator.settings["early_stopping_rounds"] is None:
        return rows, None
    from sklearn.model_selection import train_test_split

    parts = train_test_split(
        np.arange(len(answers)),
        test_size=estimator.settings["validation_fraction"] or 0.1,
        random_state=estimator.random_state,
        stratify=answers if stratified else None,
    )
    places = [torch.from_numpy(np.sort(part)) for part in parts]
    kept, held = (rows.at(part, "cpu") for part in places)
    return kept, held


def _pruned(
    estimator: Any, network: Network, rows: Rows, held: Rows | None, plan: Plan, before: Progress
) -> tuple[Network, Progress]:
    """Leave weights out and train the others on. After a break that is done anew, from the states of the whole network."""
    asked = estimator.settings["prune"]
    share = float(asked["sparsity"])
    found = pruning.smaller(network, share) if asked["structured"] else pruning.sparser(network, share)
    again = replace(plan, epochs=int(asked["epochs"]), seed=seed_of(plan.seed, "pruned"))
    after = learned(found.network, rows, held, again, None, found.masks)
    estimator.pruned_ = {**asked, **found.told(network)}
    return found.network, _both(before, after)


def _rounded(
    estimator: Any, network: Network, rows: Rows, held: Rows | None, plan: Plan, before: Progress
) -> tuple[Network, Progress]:
    """Let the network learn to answer the same while it rounds as int8 does; it is its own teacher."""
    asked = estimator.settings["quantize_aware"]
    made = Rounding(network, rows.features)
    classes = plan.loss == "log_loss"
    again = replace(
        plan,
        epochs=int(asked["epochs"]),
        learning_rate=plan.learning_rate * GENTLY,
        schedule="cosine",
        seed=seed_of(plan.seed, "rounded"),
        temperature=1.0,
        labels=0.0,
    )
    masks = made.masks() if (estimator.settings["prune"] or {}).get("structured") is False else None
    after = learned(made, _taught(network, rows, classes), held and _taught(network, held, classes), again, None, masks)
    estimator.quantize_aware_ = dict(asked)
    return made.cpu().rounded(), _both(before, after)


def _taught(network: Network, rows: Rows, classes: bool) -> Rows:
    """Rows with what a network itself says of them."""
    with torch.no_grad():
        said = torch.cat([network.eval()(rows.features[at : at + AT_ONCE]) for at in range(0, len(rows), AT_ONCE)])
    return replace(rows, lessons=torch.softmax(said, dim=1) if classes else said)


def _both(before: Progress, after: Progress) -> Progress:
    late = [{**one, "epoch": before.epoch + int(one["epoch"] or 0)} for one in after.history]
    return replace(
        after, epoch=before.epoch + after.epoch, best_epoch=before.epoch + after.best_epoch, history=[*before.history, *late]
    )


def _plan(estimator: Any, device: str, unit: float, classes: bool) -> Plan:
    settings = estimator.settings
    named = {name: settings[name] for name in inspect.signature(Plan).parameters if name in settings}
    return Plan(
        **{
            **named,
            "device": device,
            "patience": settings["early_stopping_rounds"],
            "loss": "log_loss" if classes else settings["loss"],
            "seed": estimator.random_state,
            "unit": unit,
            **(settings["distill"] or {}),
        }
    )


def _told(estimator: Any, progress: Progress, device: str) -> None:
    estimator.history_ = progress.history
    estimator.n_iter_ = progress.epoch
    estimator.best_epoch_ = progress.best_epoch if estimator.settings["early_stopping_rounds"] is not None else progress.epoch
    estimator.device_ = device


def kept_layers(network: Network, scale: float, shift: float) -> list[dict[str, Any]]:
    """Return the layers of a network as plain arrays, what they give in the answers' own unit."""
    return fitted(network.layers, scale, shift)


def kept_weights(module: Any) -> dict[str, Array]:
    """Return what a module has learned, by name; every number of it as PyTorch has it."""
    return {name: np.array(one.detach().cpu().numpy()) for name, one in module.state_dict().items()}


def by_layers(layers: Sequence[Mapping[str, Any]], features: Array) -> Array:
    """Run fitted layers on rows."""
    ready = loaded(list(layers))
    answers: Array = answered(lambda rows: run(ready, rows), _numbers(features))
    return answers


def by_module(module: Any, entrypoint: str, shape: Shape, features: Array) -> Array:
    """Run a module of the user's on rows."""
    with blame(entrypoint):
        answers: Array = answered(lambda rows: module(rows), _numbers(features).reshape(-1, *shape))
    return answers


def with_weights(module: Any, weights: Mapping[str, Array]) -> Any:
    """Return a module as it was after training; raise Problem where the user's code now builds another one."""
    try:
        module.load_state_dict({name: torch.from_numpy(one) for name, one in weights.items()})
    except RuntimeError as error:
        raise another_module(str(error).splitlines()[-1].strip()) from None
    return module.eval()


def another_module(why: str) -> Problem:
    """Return the Problem to raise where the user's function builds something else than it did for training."""
    message = f"the module is not the one that was trained: {why}"
    return Problem(Finding("another-module", message, ("model", "entrypoint"), help="train it anew"))
