"""Fit and run the estimators of `mlspec.families._keras`: what of them needs NumPy, PyTorch and Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import keras
import numpy as np
import torch

from mlspec.entrypoint import blame, load
from mlspec.runtime.networks import keras_layers
from mlspec.runtime.networks.estimators import another_module, asked_for, checked, of_type
from mlspec.runtime.networks.keras_training import alone, learned
from mlspec.runtime.networks.layers import Layer
from mlspec.runtime.networks.training import Plan, Progress, Rows, seed_of

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def of_layers(
    body: Sequence[Mapping[str, Any]], rows: Rows, held: Rows | None, plan: Plan, outputs: int, states: Any
) -> tuple[list[Layer], Progress]:
    """Train the network that a description means; return its layers before norms are folded, and how that went."""
    with alone(seed_of(plan.seed, "weights"), plan.device, plan.short_numbers):
        model, kept = keras_layers.built(body, outputs, rows.features, _seeds(plan.seed))
        progress = learned(model, rows, held, plan, states)
        return [layer() for layer in kept], progress


def _seeds(seed: int) -> Iterator[int]:
    """Seeds for what drops numbers: Keras takes 31 bits."""
    return (seed_of(seed, "dropout", index) >> 32 for index in count())


def of_users(estimator: Any, rows: Rows, held: Rows | None, plan: Plan, outputs: int) -> tuple[Any, Progress]:
    """Train the model that a function of the user's builds."""
    shape = tuple(estimator.read_as_)
    with alone(seed_of(plan.seed, "weights"), plan.device, plan.short_numbers):
        model = _built(estimator, outputs, rows.features)
        return model, learned(model, _shaped(rows, shape), held and _shaped(held, shape), plan, estimator.states)


def _shaped(rows: Rows, shape: Shape) -> Rows:
    return replace(rows, features=rows.features.reshape(-1, *shape))


def _built(estimator: Any, outputs: int, rows: Any) -> Any:
    """Call the user's function; raise Problem where what it gives is no model that answers these rows with these outputs."""
    shape = tuple(estimator.read_as_)
    build = load(estimator.entrypoint)
    with blame(estimator.entrypoint):
        model = build(estimator.task, asked_for(shape), outputs, **(estimator.arguments or {}))
    of_type(model, keras.Model, "keras.Model", estimator.entrypoint)
    few = rows[:2].reshape(-1, *shape)
    with blame(estimator.entrypoint), torch.no_grad():
        given = model(keras.ops.convert_to_tensor(few), training=False)
    checked(given, estimator.entrypoint, len(few), outputs)
    return model


def _named(model: Any) -> dict[str, Any]:
    """The weights of a model, in its order. Keras counts layers of a process in their names, so that those are no good here."""
    return {f"{index}/{one.name}": one for index, one in enumerate(model.weights)}


def kept_weights(model: Any) -> dict[str, Array]:
    """Return what a model has learned."""
    return {name: np.array(keras.ops.convert_to_numpy(one.value)) for name, one in _named(model).items()}


def loaded(estimator: Any, outputs: int) -> Any:
    """Return the user's model as it was after training; raise Problem where the user's code now builds another one."""
    zeros = torch.zeros(2, estimator.n_features_in_)
    with alone(seed_of(estimator.random_state, "weights"), "cpu"):
        model = _built(estimator, outputs, zeros)
        there, kept = _named(model), estimator.weights_
        if {name: tuple(one.shape) for name, one in there.items()} != {name: one.shape for name, one in kept.items()}:
            raise another_module(f"it has {len(there)} weights of these sizes, and another model of {len(kept)} was trained")
        for name, one in there.items():
            one.assign(kept[name])
    return Ready(model).eval()


class Ready(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not read by mypy here
    """A trained model as any module of PyTorch: it answers on the processor, whatever Keras would choose by itself."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Any) -> Any:
        with keras.device("cpu"):
            return self.model(rows, training=False)
