"""A program as C99: one source file and its header, for microcontrollers.

The code needs no runtime, no memory of a heap and no library; `<math.h>` only where the program has exp, log, tanh, sqrt, sigmoid
or softmax. It takes one row at a time. Its buffers are static, so a model is not reentrant; their places are used again as soon
as what lies there has been read for the last time. How trees are held: see `mlspec.tensor.c_trees`.

Layers are loops of float32, channels last. The order of sums: each starts at 0, goes over its inputs in their order, and adds the
bias last; a compiler that fuses products and sums (-ffp-contract, off in -std=c99) may round it in another way, but never a tree.

A number outside a table (a code that is no place of it) is read as the table's nearest end: a wrong input gives a wrong
prediction, and never a read beyond a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from mlspec.tensor.c_helpers import LOOP
from mlspec.tensor.c_operations import state
from mlspec.tensor.c_text import loop, size_of
from mlspec.tensor.c_values import Size, Source
from mlspec.tensor.program import Program


def written(program: Program, name: str, metadata: Mapping[str, str], classes: int = 0) -> dict[str, str]:
    """Return the files of a model, by name. `classes` is how many classes it tells apart, 0 where it predicts a number.

    The entry is `int <prefix>_predict(const float *input, float *output)`, the prefix being what the name has of letters, digits
    and underscores. It returns 0, or -1 where a pointer is null; the two arrays must not overlap.
    """
    source, prefix = _made(program), identifier(name)
    assert program.output is not None
    guard = prefix.upper()
    size = source.size
    about = [
        "Written by mlspec.",
        *(f"{quoted(key)}: {quoted(text)}" for key, text in sorted(metadata.items())),
        f"Flash: {size.tables} bytes of tables and about {size.code} of code (Thumb-2, -Os).",
        f"RAM: {size.ram} bytes of static buffers. Not reentrant. No heap.",
        "A missing value is NaN. -ffast-math would lose it.",
    ]
    header = HEADER.format(
        about=_comment(about), guard=guard, prefix=prefix, inputs=program.width, outputs=size_of(program.output), classes=classes
    )
    body = SOURCE.format(
        about=_comment(about),
        math="#include <math.h>\n" if source.needs_math else "",
        parts="".join(f"{part}\n" for part in source.parts()),
        prefix=prefix,
        statements="".join(f"    {line}\n" for line in source.lines),
    )
    return {"model.h": header, "model.c": body}


def estimated(program: Program) -> Size:
    """Return what the C code of a program takes."""
    return _made(program).size


def _made(program: Program) -> Source:
    source = Source(program)
    for step, node in enumerate(source.stored):
        source.allot(step, node)
        state(source, node)
    output = source.output
    if not source.is_output(output):
        source.code += LOOP
        source.lines.append(loop(size_of(output), lambda i: f"output[{i}] = {source.element(output, i)};"))
    return source


def identifier(name: str) -> str:
    """Return a C identifier for a name: its letters, digits and underscores of ASCII. Different names may give the same one."""
    kept = re.sub("[^A-Za-z0-9]+", "_", name)[:40].strip("_")
    return kept if re.match("[A-Za-z]", kept) else f"model_{kept}".strip("_")


def quoted(text: str) -> str:
    """Return a text for a comment: what could end one, splice lines or hide something is written as %XX of its UTF-8."""
    return quote(text, safe=" .,:;=+-_()[]{}@<>'\"#", errors="backslashreplace")


HEADER = """\
{about}
#ifndef {guard}_H
#define {guard}_H

#define {guard}_INPUTS {inputs}
#define {guard}_OUTPUTS {outputs}
#define {guard}_CLASSES {classes}

#ifdef __cplusplus
extern "C" {{
#endif

int {prefix}_predict(const float *input, float *output);

#ifdef __cplusplus
}}
#endif

#endif
"""

SOURCE = """\
{about}
#include <stdint.h>
{math}
#include "model.h"

#ifdef __FAST_MATH__
#error "-ffast-math takes NaN for a number"
#endif

{parts}
int {prefix}_predict(const float *input, float *output)
{{
    if (!input || !output)
        return -1;
{statements}    return 0;
}}
"""


def _comment(lines: Iterable[str]) -> str:
    short = [line[start : start + 110] for line in lines for start in range(0, max(len(line), 1), 110)]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in short) + " */"
