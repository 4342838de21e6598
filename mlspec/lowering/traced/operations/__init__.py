"""What each operation of ATen is in a program's operations.

A function takes the program, the tensor that the operation is called of, and by name whatever else ATen's schema has and the
function knows; it returns a tensor, or several. Tensors that depend on the row are `Laid`; others are PyTorch's, and constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlspec.lowering.traced.operations import images, moves, numbers, products, recurrent, reductions

OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **numbers.OPERATIONS,
    **moves.OPERATIONS,
    **reductions.OPERATIONS,
    **products.OPERATIONS,
    **images.OPERATIONS,
    **recurrent.OPERATIONS,
}
