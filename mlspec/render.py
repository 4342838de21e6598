"""Templates to text, with a guard: a value reaches the text only through a filter that quotes it for the language it lands in."""

from __future__ import annotations

import html
import json as _json
import keyword
import math
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import mlspec

WIDTH = 88
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")
_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Safe(str):
    """Text that a filter has quoted. Joining or slicing it gives plain `str`, which the guard refuses again."""

    __slots__ = ()


def render(template: str, folder: Path | None = None, /, **context: Any) -> str:
    """Fill ``templates/<template>``; raise TypeError for a value that no filter has quoted, UndefinedError for a missing one.

    A plug-in's templates lie in a `folder` of its own.

    Filters: `py`, `assign`, `name`, `constant`, `doc`, `comment` (Python); `md`, `md_code`; `escape_html`; `toml`; `sh`;
    `verbatim` (text that is itself the output of a renderer or a file that is copied whole).
    """
    text: str = _environment(folder).get_template(template).render(**context)
    return text


@cache
def _environment(folder: Path | None) -> Any:
    import jinja2

    class Guarded(jinja2.Environment):
        # What macros, calls and `{% set %}` blocks give was guarded piece by piece when it was joined.
        concat = staticmethod(lambda parts: Safe("".join(parts)))

    environment = Guarded(
        loader=jinja2.FileSystemLoader(
            [folder] if folder else [Path(place) / "templates" for place in mlspec.__path__], encoding="utf-8"
        ),
        undefined=jinja2.StrictUndefined,
        finalize=_guard,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (py, assign, name, constant, doc, comment, md, md_code, escape_html, toml, sh, verbatim):
        environment.filters[function.__name__] = _quoting(function)
    return environment


def _quoting(function: Callable[..., str]) -> Callable[..., Safe]:
    def filtered(value: Any, *args: Any, **kwargs: Any) -> Safe:
        import jinja2

        if isinstance(value, jinja2.Undefined):
            str(value)  # StrictUndefined says which name is missing
        return Safe(function(value, *args, **kwargs))

    return filtered


def _guard(value: Any) -> Any:
    import jinja2

    if isinstance(value, Safe | jinja2.Undefined):
        return value
    raise TypeError(f"a template writes {value!r} without a filter that quotes it")


# -- Python


def py(value: Any, indent: int = 0) -> str:
    """Write plain JSON data as a Python literal, exactly as ``ruff format`` leaves it inside brackets.

    A container that is not empty takes one line an item, each with a trailing comma, which keeps it so; `indent` is the column
    of the line that it starts on. Mappings are sorted by key; tuples are written as lists. Raises TypeError for what JSON does
    not know and ValueError for a number that is not finite.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} is not a finite number")
        return repr(float(value)).replace("e+", "e")
    if isinstance(value, str):
        return _string(value)
    inner = " " * (indent + 4)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{key!r} is a key that JSON does not know")
        lines = [f"{inner}{_string(key)}: {py(item, indent + 4)},\n" for key, item in sorted(value.items())]
        return "{\n" + "".join(lines) + " " * indent + "}" if lines else "{}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        lines = [f"{inner}{py(item, indent + 4)},\n" for item in value]
        return "[\n" + "".join(lines) + " " * indent + "]" if lines else "[]"
    raise TypeError(f"{value!r} is not plain JSON")


def assign(value: Any, target: str, indent: int = 0) -> str:
    """Write ``target = value`` as ``ruff format`` leaves it: text that only fits on a line of its own goes into parentheses."""
    literal = py(value, indent)
    line = f"{target} = {literal}"
    if (
        "\n" in literal
        or not literal.startswith(("'", '"'))
        or indent + _width(line) <= WIDTH
        or indent + 4 + _width(literal) > WIDTH
    ):
        return line
    return f"{target} = (\n{' ' * (indent + 4)}{literal}\n{' ' * indent})"


def name(value: str) -> str:
    """Return a lower-case identifier as it is; raise ValueError for anything else, a keyword included."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value) or keyword.iskeyword(value):
        raise ValueError(f"{value!r} is not a lower-case identifier")
    return value


def constant(value: str, suffix: str = "") -> str:
    """Return the upper-case identifier for a lower-case one: ``train`` with ``_PARAMS`` gives ``TRAIN_PARAMS``."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value + suffix.lower()):
        raise ValueError(f"{value!r} is not a lower-case identifier")
    return (value + suffix).upper()


def identifier(text: str, reserved: Iterable[str] = ()) -> str:
    """Return `text` if it can be a Python name that is not reserved, else `text` with as many ``_`` after it as that takes."""
    taken = frozenset(reserved)
    while keyword.iskeyword(text) or text in taken:
        text += "_"
    return name(text)


def slug(text: str, fallback: str = "pipeline", longest: int = 63) -> str:
    """Return a DNS label made of `text`: lower-case letters, digits and single hyphens, starting with a letter, never empty."""
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    label = label if label[:1].isalpha() else f"{fallback}-{label}".strip("-")
    return label[:longest].strip("-")


def doc(value: str, indent: int = 4) -> str:
    """Write text as a paragraph of a triple-quoted docstring: one space between words, wrapped, nothing that ends the string."""
    # ruff puts a space between a quote and the docstring's own quotes; an escape at both ends spares it that.
    text = visible(value) or "-"
    head = text.startswith('"')
    tail = text.endswith('"') and len(text) > 1
    core = text[head : len(text) - tail].replace("\\", "\\\\").replace('"""', r"\"\"\"")
    quoted = r"\x22" * head + core + r"\x22" * tail
    return ("\n" + " " * indent).join(textwrap.wrap(quoted, WIDTH - indent - 3, break_long_words=False, break_on_hyphens=False))


def comment(value: str) -> str:
    """Write text as the rest of one comment line, in which no tool finds an instruction (``fmt: off``, ``coding: …``)."""
    text = re.sub(r"(?i)(coding|fmt|isort|mypy|noqa|nosec|pragma|pylint|pyright|ruff|type|yapf)(?=[:=])", r"\1 ", visible(value))
    return text or "-"


def _string(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    if text.isprintable():  # nearly all are
        return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote
    return quote + "".join(f"\\{char}" if char == quote else _escaped(char) for char in text) + quote


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    return char if char.isprintable() else _code(char)


def _code(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _width(line: str) -> int:
    import unicodedata

    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


# -- prose, TOML, shell


def visible(value: str) -> str:
    """Return text on one line: white space as single spaces, and what would not print (controls, bidi marks) as its escape."""
    return "".join(char if char.isprintable() else _code(char) for char in " ".join(value.split()))


def md(value: str) -> str:
    """Write text as inline Markdown that shows the text itself: no markup, HTML, end of a table cell, heading or list."""
    text = re.sub(r"([\\`*_\[\]<>|&~$])", r"\\\1", visible(value))
    return re.sub(r"^(\d*)([#+\-=.)])", r"\1\\\2", text)


def md_code(value: str) -> str:
    """Write text as an inline code span, safe in table cells too."""
    text = visible(value)
    if not re.search(r"[`|\\]", text) and text.strip():
        return f"`{text}`"
    # A code span cannot hold these everywhere; in <code>, characters written as entities mean nothing to Markdown.
    return "<code>" + "".join(char if char.isalnum() or char == " " else f"&#{ord(char)};" for char in text) + "</code>"


def toml(value: Any) -> str:
    """Write plain data as a TOML value on one line. ValueError for null, lone surrogates and numbers that are not finite."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return py(value)
    if isinstance(value, str):
        return _double_quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_double_quoted(str(key))} = {toml(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    raise ValueError(f"TOML cannot say {value!r}")


def _double_quoted(text: str) -> str:
    """Quote text as TOML and YAML both read it; control characters and what does not print as 4- or 8-digit escapes."""
    if text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"{text!r} holds a lone surrogate")
    short = {**_SHORT, '"': '\\"'}
    long = (
        short.get(char)
        or (char if char.isprintable() else f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
        for char in text
    )
    return '"' + "".join(long) + '"'


def sh(value: str) -> str:
    """Quote one word for a POSIX shell; raise ValueError for a control character, which no command here needs."""
    if not all(char.isprintable() for char in value):
        raise ValueError(f"{value!r} holds a character that does not print")
    return shlex.quote(value)


def verbatim(value: str) -> str:
    """Pass text through that needs no quoting: another renderer's output, or a whole file."""
    return value


def escape_html(value: str) -> str:
    """Write text as HTML text or as an attribute in double quotes."""
    return html.escape(visible(value))


# -- data


def json(value: Any) -> str:
    """Write plain data as sorted, indented JSON with a final newline; ValueError for a number that is not finite."""
    return _json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_AMBIGUOUS = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|nan|inf")


def yaml(value: Any) -> str:
    """Write plain data as block YAML in the order given; a string that YAML 1.1 or 1.2 could read as something else is quoted."""
    # a block of text at the very top would stand where tags, comments and ends of documents do
    lines = [_yaml_scalar(value)] if isinstance(value, str) else _yaml_lines(value)
    return "".join(f"{line}\n" for line in lines)


def _yaml_lines(value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _yaml_entry(f"{_yaml_scalar(str(key))}:", item)]
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return [line for item in value for line in _yaml_item(item)]
    if isinstance(value, str) and "\n" in value:
        return _yaml_block(value)
    return [_yaml_scalar(value)]


def _yaml_entry(head: str, item: Any) -> list[str]:
    lines = _yaml_lines(item)
    if isinstance(item, Mapping | Sequence) and not isinstance(item, str) and item:
        return [head, *(f"  {line}" if line else "" for line in lines)]
    return [f"{head} {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])]


def _yaml_item(item: Any) -> list[str]:
    lines = _yaml_lines(item)
    return [f"- {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])]


def _yaml_block(text: str) -> list[str]:
    """Write text of several lines as it stands where YAML can (`|`), else quoted."""
    body = text.rstrip("\n")
    lines = body.split("\n")
    # The first line that is not empty says how deep the block stands, so it must not start with a space of its own.
    if not body or body.lstrip("\n").startswith(" ") or any(line.isspace() or not line.isprintable() for line in lines):
        return [_double_quoted(text)]
    ends = len(text) - len(body)
    return ["|-" if not ends else "|" if ends == 1 else "|+", *lines, *[""] * (ends - 1)]


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and not _AMBIGUOUS.fullmatch(value) else _double_quoted(value)
    if isinstance(value, float):
        text = py(value)
        mantissa, _, exponent = text.partition("e")
        # YAML 1.1 reads an exponent only with a point before it and a sign in it.
        return (
            f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] == '-' else '+' + exponent}"
            if exponent
            else text
        )
    return _json.dumps(value)
