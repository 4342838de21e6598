"""What a field of a spec says about itself: nothing realises it yet, the guide chose its default, it may be shortened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

JsonSchema = dict[str, Any]


def fault(code: str, message: str, help_text: str = "", meant: Any = None) -> PydanticCustomError:
    """Return the error to raise in a validator when a value is wrong: its finding carries this code, message and help.

    `meant` is the value that must have been meant, where that is known; a fix writes it.
    """
    context = {"message": message, "help": help_text} | ({} if meant is None else {"meant": meant})
    return PydanticCustomError(code, "{message}", context)


@dataclass(frozen=True, slots=True)
class Later:
    """Mark a field that may be written and that nothing realises yet. `today` says what happens with it meanwhile.

    With `only`, just those values of the field are meant (a tuple of values), the others work. With `but`, it works where the
    model's kind begins with one of these.
    """

    today: str = "it is checked and kept in the packaged spec; no step uses it"
    only: tuple[Any, ...] = ()
    but: tuple[str, ...] = ()

    def works_for(self, kind: str) -> bool:
        return kind.startswith(self.but) if self.but else False


@dataclass(frozen=True, slots=True)
class Guide:
    """Name the part of the guide that recommends a field's default."""

    rule: str


NETWORKS = ("keras.", "torch.")
"""Kinds of models that begin so are networks that are trained in rounds of ours."""


class Frozen:
    """Annotate a mapping field: its keys are sorted (their order means nothing) and the result cannot be changed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler(source)
        dump = core_schema.wrap_serializer_function_ser_schema(lambda value, inner: inner(dict(value)), schema=schema)
        return core_schema.no_info_after_validator_function(self.freeze, schema, serialization=dump)

    @staticmethod
    def freeze(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
        return MappingProxyType(dict(sorted(value.items(), key=lambda pair: str(pair[0]))))


def nothing() -> Mapping[Any, Any]:
    """Return an empty mapping that cannot be changed: the default of a mapping field."""
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Short:
    """Annotate a field that is a mapping: a bare text stands for ``{key: text}``."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: {self.key: value} if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


@dataclass(frozen=True, slots=True)
class Many:
    """Annotate a list field: a bare text stands for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Annotate a text field that must match a regular expression as a whole."""

    regex: str
    what: str
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {**handler(schema), "pattern": f"^(?:{self.regex})$", "examples": [self.example]}

    def check(self, value: str) -> str:
        if not re.fullmatch(self.regex, value):
            meant = self.nearest(value)
            help_text = f"did you mean `{meant}`?" if meant else f"write it like `{self.example}`"
            raise fault("malformed", f"`{value}` is not {self.what}", help_text, meant)
        return value

    def nearest(self, value: str) -> str | None:
        """Return the value in lower case, with other signs between its words, if that matches."""
        low = value.strip().lower()
        forms = (low, *(re.sub(r"[\s_-]+", sign, low) for sign in "_-"))
        return next((one for one in forms if re.fullmatch(self.regex, one)), None)


class Scalar:
    """Annotate a field that takes one text, number or truth value as it is, such as a label."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {"type": ["string", "number", "boolean"]}

    @staticmethod
    def check(value: Any) -> Any:
        if isinstance(value, float) and value - value != 0:
            raise fault("wrong-type", "expected a finite number")
        if isinstance(value, str | int | float):
            return value
        if hasattr(value, "isoformat"):  # YAML reads an unquoted 2026-11-30 as a date
            return value.isoformat()
        raise fault("wrong-type", "expected one text, number or truth value")


ENTRYPOINT = Pattern(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "an entrypoint", "package.module:function")
"""The user's own code, named as Python packages name it."""
