"""Networks that Keras trains, on PyTorch: they are described, and kept, as those are that mlspec trains itself."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from typing import Any

from mlspec.diagnostic import Finding, Problem
from mlspec.families import CLASSIFICATION
from mlspec.families._estimator import library
from mlspec.families._network import (
    CustomNetworkClassifier,
    CustomNetworkRegressor,
    NetworkClassifier,
    NetworkFamily,
    NetworkRegressor,
)

BACKEND = "KERAS_BACKEND"
"""The variable that Keras reads when it is imported: what it computes with."""

HOME = "KERAS_HOME"
"""The variable that says where Keras keeps its settings, and the weights that it downloads; without it, in `~/.keras`."""

_importing = threading.Lock()


def imported(kind: str) -> Any:
    """Import Keras on PyTorch; raise Problem where that cannot be, or where it computes with something else in this process.

    Settings in the home of whoever runs this do not count, and none are written there: the same spec is to mean the same
    everywhere.
    """
    library("torch", kind)
    with _importing:
        keras = sys.modules.get("keras")
        if keras is not None:
            backend = keras.backend.backend()
        else:
            os.environ[BACKEND] = backend = os.environ.get(BACKEND) or "torch"
            keras = _without_settings(kind) if backend == "torch" else None
    if backend == "torch":
        return keras
    message = f"the kind {kind} trains by Keras on PyTorch, and Keras runs on {backend} here"
    help_text = f"set {BACKEND}=torch, or leave it unset, before anything imports Keras"
    raise Problem(Finding("another-backend", message, ("model", "kind"), help=help_text))


def _without_settings(kind: str) -> Any:
    with tempfile.TemporaryDirectory() as empty:
        home = os.environ.setdefault(HOME, empty)
        try:
            return library("keras", kind)
        finally:
            if home == empty:
                del os.environ[HOME]


class KerasFamily(NetworkFamily):
    """A family of networks that Keras trains. Once fitted they are what PyTorch's are, and need Keras no more."""

    def trainer(self, task: str) -> type[NetworkRegressor]:
        imported(self.kind)
        return KerasClassifier if task == CLASSIFICATION else KerasRegressor


class KerasRegressor(NetworkRegressor):
    """A network that gives a number, trained by Keras; once fitted, `layers_` are what they are for PyTorch's own families."""

    def learn(self, rows: Any, held: Any, plan: Any, outputs: int) -> tuple[Any, Any]:
        from mlspec.runtime.networks import keras_estimators

        return keras_estimators.of_layers(self.whole(), rows, held, plan, outputs, self.states)

    def keep(self, network: Any, scale: float, shift: float) -> None:
        from mlspec.runtime.networks.layers import fitted

        self.layers_ = fitted(network, scale, shift)


class KerasClassifier(NetworkClassifier, KerasRegressor):
    """A network that gives probabilities, trained by Keras."""


class CustomKerasRegressor(CustomNetworkRegressor):
    """A Keras model of the user's that gives a number; `weights_` are what it has learned, in its order."""

    def learn(self, rows: Any, held: Any, plan: Any, outputs: int) -> tuple[Any, Any]:
        from mlspec.runtime.networks import keras_estimators

        return keras_estimators.of_users(self, rows, held, plan, outputs)

    def keep(self, network: Any, scale: float, shift: float) -> None:
        from mlspec.runtime.networks import keras_estimators

        self.weights_, self.scale_, self.shift_ = keras_estimators.kept_weights(network), scale, shift

    def module(self, outputs: int) -> Any:
        imported("keras.custom")
        from mlspec.runtime.networks import keras_estimators

        return keras_estimators.loaded(self, outputs)


class CustomKerasClassifier(CustomNetworkClassifier, CustomKerasRegressor):
    """A Keras model of the user's that gives a number for each class, before softmax."""
