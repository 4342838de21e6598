"""Open unions told apart by ``kind``: one package is one union, one file of it is one member, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

LIBRARIES = ("keras", "sklearn", "torch")
"""Libraries that several kinds come from: a kind is called `library.name`, and its file `library_name.py`."""


class Section(BaseModel):
    """A frozen part of a spec that refuses keys it does not know, but for the user's own, which start with ``x-``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, validate_default=False, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_own_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and any(isinstance(key, str) and key.startswith("x-") for key in data):
            return {key: value for key, value in data.items() if not (isinstance(key, str) and key.startswith("x-"))}
        return data


class Kind(Section):
    """A member of an open union. A subclass narrows ``kind`` to the literal that names it."""

    realised: ClassVar[bool] = True
    """False for a member that can be written today and that nothing runs yet; lint reports it."""

    today: ClassVar[str] = "it is checked and kept in the packaged spec; no step uses it"
    """What happens with a member that is not realised."""

    kind: str


@cache
def _plugged(package: str) -> dict[str, EntryPoint]:
    """Return the members of a union that installed distributions bring: asked once, as that takes as long as a small lint."""
    from importlib.metadata import entry_points  # importing it takes a twentieth of a lint (measured)

    return {point.name: point for point in entry_points(group=package)}


@cache
def names(package: str) -> tuple[str, ...]:
    """Return the kinds of a union, sorted: ours by file, then entry points."""
    files = {file.stem for place in import_module(package).__path__ for file in Path(place).glob("*.py")}
    ours = sorted(_kind(name) for name in files if not name.startswith("_"))
    return tuple(ours) + tuple(sorted(_plugged(package)))


def _kind(file: str) -> str:
    """Return the kind whose file has this name: ``sklearn.ridge`` is in ``sklearn_ridge.py``."""
    library, _, name = file.partition("_")
    return f"{library}.{name}" if name and library in LIBRARIES else file


def load(package: str, kind: str) -> type[Kind]:
    """Import the member of a union called ``kind``; raise KeyError where there is none."""
    library, dot, name = kind.partition(".")
    module = f"{library}_{name}" if dot and library in LIBRARIES else kind
    if module.isidentifier() and not module.startswith("_"):
        try:
            member: type[Kind] = import_module(f"{package}.{module}").MEMBER
        except ModuleNotFoundError as missing:
            if missing.name != f"{package}.{module}":
                raise
        else:
            return member
    plugged: type[Kind] = _plugged(package)[kind].load()
    return plugged


def _validated(model: type[BaseModel], value: Any) -> Any:
    """Validate with a model that is not part of the caller's schema; its errors travel inside one, for `flatten`."""
    if isinstance(value, model):
        return value
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise PydanticCustomError("nested", "invalid", {"errors": error.errors(include_url=False), "model": model}) from None


def _dump(member: BaseModel, info: Any) -> dict[str, Any]:
    return member.model_dump(mode=info.mode, by_alias=info.by_alias or None)  # None leaves it to the member's configuration


def _schema(validate: Callable[[Any], Any]) -> core_schema.CoreSchema:
    dump = core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True)
    return core_schema.no_info_plain_validator_function(validate, serialization=dump)


ELSEWHERE = "https://models.invalid/"
"""Begins a reference to the schema of another model, `module:Name`; `mlspec.schema` puts that model's own schema there, once."""


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"{ELSEWHERE}{model.__module__}:{model.__qualname__}"}


class Part:
    """Annotate a field with ``Part("mlspec.spec.splits:Splits")`` to import and build that model only when a spec uses it."""

    def __init__(self, place: str) -> None:
        self.place = place

    @property
    def model(self) -> type[Section]:
        module, _, name = self.place.partition(":")
        found: type[Section] = getattr(import_module(module), name)
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(lambda value: _validated(self.model, value))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _json_schema(self.model)


def part(place: str) -> Any:
    """Return the type of a field that holds the model at ``module:Name``, imported when a spec uses it."""
    return Annotated[Any, Part(place)]


def untouched(place: str) -> Callable[[], Any]:
    """Return a factory of the model at ``module:Name`` with every default (built without a validator, which costs more)."""
    return lambda: Part(place).model.model_construct()


class Among:
    """Annotate a field with ``Among({"missing": "mlspec.spec.check:Missing", …})`` to choose among these models by ``kind``."""

    def __init__(self, places: Mapping[str, str], default: str | None = None) -> None:
        self._places = dict(places)
        self._default = default

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._places))

    def load(self, kind: str) -> type[Kind]:
        member: Any = Part(self._places[kind]).model
        return cast(type[Kind], member)

    def validate(self, value: Any) -> Kind:
        if isinstance(value, Kind):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("dict_type", "expected a mapping with a `kind`")
        if "kind" not in value and self._default is None:
            raise PydanticCustomError("kind_missing", "`kind` is missing", {"known": list(self.names())})
        kind = str(value.get("kind", self._default))
        try:
            member = self.load(kind)
        except KeyError:
            known = list(self.names())
            raise PydanticCustomError("kind_unknown", "there is no kind `{kind}`", {"kind": kind, "known": known}) from None
        found: Kind = _validated(member, value)
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(self.validate)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A tag `enum` with an `if`/`then` a member: editors complete and explain that better than `oneOf` (measured)."""
        required = [] if self._default else ["kind"]
        cases = []
        for name in self.names():
            test = {"properties": {"kind": {"const": name}}, "required": [] if name == self._default else ["kind"]}
            cases.append({"if": test, "then": _json_schema(self.load(name))})
        return {"type": "object", "required": required, "properties": {"kind": {"enum": list(self.names())}}, "allOf": cases}


class OneOf(Among):
    """Annotate a field with ``OneOf("mlspec.families")`` to make it a member of that union, chosen by the value's ``kind``.

    A member's errors surface as one pydantic error of type ``nested`` whose context holds the member's own errors;
    `flatten` gives them the location they have in the document.
    """

    def __init__(self, package: str) -> None:
        super().__init__({})
        self.package = package

    def names(self) -> tuple[str, ...]:
        return names(self.package)

    def load(self, kind: str) -> type[Kind]:
        return load(self.package, kind)


def flatten(errors: list[dict[str, Any]], model: type[BaseModel] | None = None) -> list[dict[str, Any]]:
    """Replace each ``nested`` error by the member's own errors, located from the top.

    Each error gains the ``model`` that raised it, and as ``inner`` its location inside that model.
    """
    flat: list[dict[str, Any]] = []
    for error in errors:
        if error["type"] == "nested":
            inner = flatten(error["ctx"]["errors"], error["ctx"]["model"])
            flat += [{**one, "loc": (*error["loc"], *one["loc"])} for one in inner]
        else:
            flat.append({**error, "model": model, "inner": error["loc"]})
    return flat
