"""Networks with fewer weights: whole units that go, so that layers are smaller, or single weights that become zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from mlspec.runtime.networks.layers import Layer, Network

WEIGHTS = {"dense": "weights", "conv2d": "kernel", "depthwise_conv2d": "kernel"}
"""How the weights of a layer are called, by its kind; the first axis is what it gives, the last one what it takes."""

BY_UNIT = {
    "batch_norm": ("weight", "bias", "mean", "variance"),
    "layer_norm": ("weight", "bias"),
    "depthwise_conv2d": ("kernel", "bias"),
}
"""Layers that have numbers for each unit of the layer before them, on their last axis."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """A network that lacks weights; `masks` say which of its weights stay 0, by their name."""

    network: Network
    masks: Mapping[str, Any] = field(default_factory=dict)

    def told(self, before: Network) -> dict[str, int]:
        """Return how many numbers a file of the network holds, before and after, and how many of them are zero."""
        zeros = sum(int(mask.sum()) for mask in self.masks.values())
        return {"weights_before": _count(before), "weights_after": _count(self.network), "zeros": zeros}


def _count(network: Network) -> int:
    return sum(one.numel() for one in network.parameters())


def smaller(network: Network, share: float) -> Pruned:
    """Leave out, of each layer but the last, the share of units whose weights are smallest in sum (Li et al., 2017).

    What takes from them takes less then: the next layer, and the norm or the filters by channel between.
    """
    end = max(place for place, layer in enumerate(network.layers) if layer["kind"] == "dense")
    layers: list[Layer] = []
    units, width = None, 0
    for place, layer in enumerate(network.layers):
        made, kind = dict(layer), layer["kind"]
        if units is not None and kind in BY_UNIT:
            made |= {name: _kept(layer[name], layer[name][..., units]) for name in BY_UNIT[kind]}
        elif kind in WEIGHTS and kind not in BY_UNIT:
            name = WEIGHTS[kind]
            if units is not None:
                made[name] = _kept(layer[name], _taking(layer[name], units, width))
            units = None
            if place != end:
                units, width = _largest(layer[name], share), len(layer[name])
                made |= {one: _kept(layer[one], made[one][units]) for one in (name, "bias")}
        layers.append(made)
    return Pruned(Network(layers))


def _largest(weights: Any, share: float) -> Any:
    """The places of the units that stay, in their order: one at least."""
    sums = weights.detach().abs().flatten(1).sum(dim=1)
    stay = max(1, len(sums) - round(share * len(sums)))
    return torch.sort(torch.argsort(sums, descending=True, stable=True)[:stay]).values


def _taking(weights: Any, units: Any, width: int) -> Any:
    """Weights that take from fewer units. Of a map that was made flat, each place has all channels: channels lie last."""
    parts = weights.detach().reshape(*weights.shape[:-1], -1, width)
    return parts[..., units].reshape(*weights.shape[:-1], -1)


def _kept(old: Any, new: Any) -> Any:
    return torch.nn.Parameter(new.detach().clone(), requires_grad=old.requires_grad)


def sparser(network: Network, share: float) -> Pruned:
    """Set the smallest weights of each layer to zero. Nothing gets smaller or faster by it; zeros compress well."""
    masks = {}
    for place, layer in enumerate(network.layers):
        name = WEIGHTS.get(layer["kind"])
        if name is not None:
            weights = layer[name]
            least = torch.argsort(weights.detach().abs().flatten(), stable=True)[: round(share * weights.numel())]
            mask = torch.zeros(weights.numel(), dtype=torch.bool)
            mask[least] = True
            masks[f"{place}/{name}"] = mask.reshape(weights.shape)
            with torch.no_grad():  # a product with 0 could be -0, and zeros of two sorts compress worse
                weights.masked_fill_(masks[f"{place}/{name}"], 0.0)
    return Pruned(network, masks)
