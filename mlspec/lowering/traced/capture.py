"""What a PyTorch module does with one row: a graph of ATen operations, captured by `torch.export`."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from threading import Lock
from typing import Any

from mlspec.diagnostic import Problem
from mlspec.lowering import cannot

ROUTE = ("model", "entrypoint")

ONE_AT_A_TIME = Lock()
"""Steps run side by side in threads, and what is set for a capture is set for all of them."""


def captured(module: Any, shape: Sequence[int], known: Collection[str]) -> Any:
    """Return the exported program of a module that is fed one row of a shape, in operations of ATen without effects.

    Operations whose names are not `known` are taken apart into simpler ones, as far as PyTorch knows how. Raises Problem where
    the module cannot be captured, with PyTorch's reason.
    """
    import torch

    example = torch.zeros(1, *shape)
    with ONE_AT_A_TIME, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # the fast path is one operation that nothing else has
        try:
            found = torch.export.export(module.eval(), (example,))
            ways = torch.export.default_decompositions()
            return found.run_decompositions({one: way for one, way in ways.items() if name_of(one) not in known})
        except Problem:
            raise
        except Exception as error:  # whatever a module of the user's, or PyTorch at its sight, raises
            raise cannot(
                f"PyTorch cannot capture what the module does: {_first_line(error)}",
                ROUTE,
                "the way that a row takes through `forward` must not depend on its numbers",
            ) from error
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


def name_of(operation: Any) -> str:
    """Return the name of an operation of ATen without its variant: "linear", "add"."""
    return str(operation).removeprefix("aten.").partition(".")[0]


def constants_of(found: Any) -> dict[str, Any]:
    """Return the tensors that a captured module holds, by the name of their place in its graph."""
    held = {**found.constants, **found.state_dict}
    return {one.arg.name: held[one.target].detach() for one in found.graph_signature.input_specs if one.target in held}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
