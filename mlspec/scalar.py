"""What a plain scalar means: the YAML 1.2 core schema, and a caution where YAML 1.1 would have meant something else."""

from __future__ import annotations

from typing import Any, NamedTuple

# https://yaml.org/spec/1.2.2/#1032-tag-resolution
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMERIC = frozenset("+-.0123456789")
_DECIMAL = frozenset("+-.0123456789eE")
_OLD_BOOLEANS = {  # https://yaml.org/type/bool.html, less what 1.2 still reads, and y and n, which few readers of 1.1 obey
    word: meaning
    for low, meaning in (("yes", "true"), ("on", "true"), ("no", "false"), ("off", "false"))
    for word in {low, low.capitalize(), low.upper()}
}


class Caution(NamedTuple):
    """Why a plain scalar may not mean what its writer meant."""

    code: str
    message: str
    help: str


class TooLargeError(ValueError):
    """A number that no 64-bit integer and no double can hold."""


def resolve(text: str) -> Any:
    """Return what the core schema makes of a plain scalar: None, a bool, an int, a float, or the text itself.

    Raises TooLargeError for an integer outside 64 bits and for a decimal that would round to infinity.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if text[:2] in ("0x", "0o"):
        return _based(text)
    if not _DECIMAL.issuperset(text):
        return text
    if text.lstrip("+-").isdecimal():
        return text if len(text) - len(text.lstrip("+-")) > 1 else _whole(text)
    try:
        number = float(text)
    except ValueError:
        return text
    if abs(number) == float("inf"):
        raise TooLargeError(text)
    return number


def caution(text: str) -> Caution | None:
    """Return what to tell the writer of a plain scalar that YAML 1.1 reads as another value than YAML 1.2."""
    if text in _OLD_BOOLEANS:
        message = f"`{text}` is text here; YAML 1.1 reads it as a boolean"
        return Caution("yaml-1-1-boolean", message, f'write {_OLD_BOOLEANS[text]}, or quote it: "{text}"')
    if not text or text[0] not in _NUMERIC or not text.isascii():
        return None
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits.isdecimal():
        return _number(
            text, f"is the number {digits.lstrip('0') or '0'} here", "an octal number", "write it without the leading zero"
        )
    if ":" in digits and all(part.isdecimal() and len(part) <= 2 for part in digits.split(":")):
        return _number(text, "is text here", "a number in base 60", "write a quantity such as 90 s")
    if "_" in digits and digits[0] != "_" and digits.replace("_", "").isdecimal():
        return _number(text, "is text here", "a number", f"write {text.replace('_', '')}")
    return None


def _number(text: str, here: str, there: str, instead: str) -> Caution:
    return Caution("yaml-1-1-number", f"`{text}` {here}; YAML 1.1 reads it as {there}", f'{instead}, or quote it: "{text}"')


def _whole(text: str) -> int:
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 20:  # before int(): Python refuses to convert 4,300 digits
        raise TooLargeError(text)
    number = -int(digits or "0") if text[0] == "-" else int(digits or "0")
    if not -(2**63) <= number < 2**64:
        raise TooLargeError(text)
    return number


def _based(text: str) -> Any:
    allowed = "0123456789abcdefABCDEF" if text[1] == "x" else "01234567"
    digits = text[2:]
    if not digits or not set(digits) <= set(allowed):
        return text
    number = int(digits, 16 if text[1] == "x" else 8)
    if number >= 2**64:
        raise TooLargeError(text)
    return number
