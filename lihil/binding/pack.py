"""Parameter packs: a structured type whose fields are read one by one from the query, the headers, ..."""

from typing import Any, get_type_hints

import msgspec

from lihil.markers import Param
from lihil.params.codec import is_pydantic_model
from lihil.params.spec import MISSING, OMITTED, ParamSpec, wire_key


def pack_fields(kind: Any, source: str) -> tuple[ParamSpec, ...]:
    """A spec for each field of a Struct, dataclass, TypedDict, attrs class or pydantic model. A dict has none."""
    if is_pydantic_model(kind):
        return tuple(_pydantic_field(name, info, source) for name, info in kind.model_fields.items())
    described: Any = msgspec.inspect.type_info(kind)
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(item, hints[item.name], source) for item in getattr(described, "fields", ()))


def _field(item: Any, annotation: Any, source: str) -> ParamSpec:
    mark = next((mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Param)), None)
    renamed = item.encode_name if item.encode_name != item.name else None
    return ParamSpec(
        name=item.name,
        key=renamed or wire_key(item.name, source, mark),
        source=source,
        type=annotation,
        default=MISSING if item.required else OMITTED,
        constraints=mark.constraints if mark else Param().constraints,
        decoder=mark.decoder if mark else None,
        description=(mark.description if mark else None) or "",
    )


def _pydantic_field(name: str, info: Any, source: str) -> ParamSpec:
    # A pydantic model is built by its aliases, so the alias is the name in the call as well as on the wire.
    called = info.validation_alias or info.alias or name
    return ParamSpec(
        name=str(called),
        key=wire_key(str(called), source, None),
        source=source,
        type=info.annotation,
        default=MISSING if info.is_required() else OMITTED,
        description=info.description or "",
    )
