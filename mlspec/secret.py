"""References to secrets, ``${env:NAME}`` and ``${secret:name/key}``: a spec holds these and never a secret itself."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from mlspec.fields import fault
from mlspec.regex import lazy

ENVIRONMENT = r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}"
STORED = r"\$\{secret:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9._-]+\}"
REFERENCE = lazy(rf"{ENVIRONMENT}|{STORED}")
HOW = "write ${env:NAME} for an environment variable or ${secret:name/key} for a stored secret"


class Reference(NamedTuple):
    """What a reference points to: an environment variable (`key` is empty) or a key of a stored secret."""

    store: str
    name: str
    key: str = ""

    @classmethod
    def read(cls, text: str) -> Reference:
        store, _, rest = text[2:-1].partition(":")
        return cls(store, *rest.split("/", 1))

    def __str__(self) -> str:
        return f"${{{self.store}:{self.name}{f'/{self.key}' if self.key else ''}}}"


class Template(str):
    """A text that may hold references to secrets, such as an address; JSON holds it as it is written."""

    __slots__ = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in the text, in order."""
        return tuple(Reference.read(found) for found in REFERENCE.findall(self))

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if not isinstance(value, str):
            raise fault("wrong-type", "expected text")
        if "${" in REFERENCE.sub("", value):  # the text may hold a secret beside the broken reference: never repeat it
            raise fault("bad-reference", "a `${…}` in this text is not a reference", HOW)
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(cls._validate, serialization=dump)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string"}


class Secret(Template):
    """A reference to a secret and nothing else. A secret written into the spec is refused, and no message repeats it."""

    __slots__ = ()

    @property
    def reference(self) -> Reference:
        return Reference.read(self)

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if not isinstance(value, str) or not REFERENCE.fullmatch(value):
            reference = isinstance(value, str) and value.startswith("${") and value.endswith("}")
            code = "bad-reference" if reference else "inline-secret"
            message = "this is not a reference to a secret" if reference else "a secret must not stand in the spec"
            raise fault(code, message, HOW)
        return cls(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": f"^(?:{ENVIRONMENT}|{STORED})$",
            "examples": ["${env:DATABASE_URL}", "${secret:orders/dsn}"],
        }
