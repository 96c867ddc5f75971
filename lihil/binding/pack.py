"""Parameter packs: a structured type whose fields are read one by one from the query, the headers, ..."""

import dataclasses
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec

from lihil.markers import Param
from lihil.params.kinds import is_pydantic_model, is_structured, options_of, plain_type
from lihil.params.spec import MISSING, OMITTED, ParamSpec, wire_key


def pack_type(kind: Any) -> Any:
    """The structured type that a parameter's fields are read for, also of `T | None`; None when it is no pack."""
    options = options_of(kind)
    plain = plain_type(options[0])
    return plain if len(options) == 1 and is_structured(plain) and (get_origin(plain) or plain) is not dict else None


def pack_fields(kind: Any, source: str) -> tuple[ParamSpec, ...]:
    """A spec for each field of a Struct, dataclass, TypedDict, attrs class or pydantic model.

    Raises TypeError for a type whose fields cannot be told, and NameError for an annotation that is not defined.
    """
    if is_pydantic_model(kind):
        return tuple(_pydantic_field(name, info, source) for name, info in kind.model_fields.items())
    if get_origin(kind) is not None:
        raise TypeError("a generic type has no fields of its own")
    hints = get_type_hints(kind, include_extras=True)
    described: Any = msgspec.inspect.type_info(kind)
    return tuple(
        _field(item, _called(kind, item.name), _without_presence(hints[item.name]), source)
        for item in described.fields
        if _called(kind, item.name)
    )


def _called(kind: Any, name: str) -> str:
    """The keyword by which a field is given to its type; "" for one that its type sets by itself."""
    if dataclasses.is_dataclass(kind):
        return next(item.name if item.init else "" for item in dataclasses.fields(kind) if item.name == name)
    for item in getattr(kind, "__attrs_attrs__", ()):
        if item.name == name:
            return str(item.alias) if item.init else ""
    return name


def _without_presence(annotation: Any) -> Any:
    """The type without what a TypedDict says about its presence."""
    while get_origin(annotation) in {Required, NotRequired}:
        annotation = get_args(annotation)[0]
    return annotation


def _field(item: Any, name: str, annotation: Any, source: str) -> ParamSpec:
    mark = _mark_of(annotation)
    if mark.source not in {None, source}:
        raise TypeError(f"{name} is marked {mark.source}, and the whole is read from the {source}")
    renamed = Param(alias=item.encode_name if item.encode_name != item.name else None)
    return ParamSpec(
        name=name,
        key=wire_key(name, source, renamed.merged_with([mark])),
        source=source,
        type=annotation,
        default=MISSING if item.required else OMITTED,
        constraints=mark.constraints,
        decoder=mark.decoder,
        description=mark.description or "",
    )


def _mark_of(annotation: Any) -> Param:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return Param().merged_with([mark for mark in metadata if isinstance(mark, Param)])


def _pydantic_field(name: str, info: Any, source: str) -> ParamSpec:
    # A pydantic model is built by its aliases, so the alias is the name in the call as well as on the wire.
    alias = info.validation_alias or info.alias or name
    called = next((choice for choice in getattr(alias, "choices", [alias]) if isinstance(choice, str)), None)
    if called is None:
        raise TypeError(f"{name} has no alias that is a plain name")
    return ParamSpec(
        name=called,
        key=wire_key(called, source, None),
        source=source,
        type=info.annotation,
        default=MISSING if info.is_required() else OMITTED,
        description=info.description or "",
    )
