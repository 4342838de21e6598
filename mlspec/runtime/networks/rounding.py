"""Quantization-aware training: a network that computes as its int8 export will, and learns to answer as it did before.

Jacob et al. (2018): weights are steps of a scale for each output, symmetric around 0; what a layer takes is 256 steps from the
least to the largest number that the training rows showed. Rounding has no gradient of use, so that its gradient is taken to be 1
(Bengio et al., 2013). The network before is the teacher: plain labels were measured to lower the agreement of its export.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mlspec.runtime.networks.layers import Layer, Network, fitted, loaded, run
from mlspec.runtime.networks.pruning import WEIGHTS
from mlspec.tensor.program import OUTPUTS

STEPS = 127
FIXED = ("affine", "position")
"""Layers that do not learn here."""

AT_ONCE = 4096

Range = tuple[float, float]


class Rounding(Network):
    """The layers of a trained network, batch norm made part of them and dropout left out, that round as int8 does.

    In training every other batch is not rounded: what its export is held against is the network without roundings, and both are
    to answer as before.
    """

    def __init__(self, network: Network, rows: Any) -> None:
        super().__init__([_learning(layer) for layer in loaded(fitted(network.layers))])
        self.eval()
        self.ranges = self._seen(rows)
        self.turn = 0

    def forward(self, x: Any) -> Any:
        self.turn += self.training
        return run(self.layers, x) if self.training and self.turn % 2 else self.as_int8(x)

    def as_int8(self, x: Any) -> Any:
        for place, layer in enumerate(self.layers):
            name = WEIGHTS.get(layer["kind"])
            if name is not None:
                x = in_range(x, self.ranges[place])
                layer = {**layer, name: in_steps(layer[name], OUTPUTS[layer["kind"]])}
            x = run([layer], x)
        return in_range(x, self.ranges[len(self.layers)])

    def _seen(self, rows: Any) -> dict[int, Range]:
        """The range of what each layer takes, and of what the last one gives (the one after it), with 0 in it."""
        found: dict[int, Range] = {}
        with torch.no_grad():
            for start in range(0, len(rows), AT_ONCE):
                x = rows[start : start + AT_ONCE]
                for place, layer in enumerate([*self.layers, None]):
                    low, high = found.get(place, (0.0, 0.0))
                    found[place] = min(low, float(x.min())), max(high, float(x.max()))
                    x = x if layer is None else run([layer], x)
        return found

    def masks(self) -> dict[str, Any]:
        """Which weights are 0, by their name: what was pruned stays so."""
        return {
            f"{place}/{WEIGHTS[layer['kind']]}": layer[WEIGHTS[layer["kind"]]].detach() == 0
            for place, layer in enumerate(self.layers)
            if layer["kind"] in WEIGHTS
        }

    def rounded(self) -> Network:
        """Return the network with each weight at its step: int8 holds what it has learned without loss."""
        layers: list[Layer] = []
        for layer in self.layers:
            name = WEIGHTS.get(layer["kind"])
            made = {} if name is None else {name: torch.nn.Parameter(in_steps(layer[name].detach(), OUTPUTS[layer["kind"]]))}
            layers.append({**layer, **made})
        return Network(layers)


def _learning(layer: Layer) -> Layer:
    learns = layer["kind"] not in FIXED
    return {
        name: torch.nn.Parameter(one, requires_grad=learns) if isinstance(one, torch.Tensor) else one
        for name, one in layer.items()
    }


def in_steps(weights: Any, axis: int) -> Any:
    """Return weights at the nearest of 255 steps, by output; the gradient passes through."""
    others: Sequence[int] = [one for one in range(weights.ndim) if one != axis]
    scale = (weights.detach().abs().amax(dim=others, keepdim=True) / STEPS).clamp_min(torch.finfo(torch.float32).tiny)
    return _through(weights, (weights / scale).round() * scale)


def in_range(x: Any, limits: Range) -> Any:
    """Return numbers at the nearest of 256 steps of a range that has 0 as one of them; beyond it there is no gradient."""
    low, high = limits
    scale = (high - low) / 255
    if not scale:
        return x
    zero = round(-low / scale)
    kept = x.clamp(-zero * scale, (255 - zero) * scale)
    return _through(kept, (kept / scale).round() * scale)


def _through(x: Any, rounded: Any) -> Any:
    return x + (rounded - x).detach()
