"""What kind of value a type stands for: what text can become, what a body holds, how a reader says it."""

import enum
import types
from collections.abc import Collection, MutableSequence, MutableSet, Sequence, Set
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_COLLECTIONS = (list, set, frozenset, tuple, Collection, Sequence, MutableSequence, Set, MutableSet)


def plain_type(kind: Any) -> Any:
    """The type behind `Annotated`, `NewType` and `type X = ...` (PEP 695)."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":  # there from Python 3.12 on
            kind = kind.__value__
        else:
            return kind


def is_union(kind: Any) -> bool:
    """Whether a type is a union, in either spelling."""
    return get_origin(kind) in {Union, types.UnionType}


def options_of(kind: Any) -> list[Any]:
    """The types of a union without None; a type that is no union is its only option."""
    kind = plain_type(kind)
    return [option for option in get_args(kind) if option is not types.NoneType] if is_union(kind) else [kind]


def is_sequence(kind: Any) -> bool:
    """Whether a type takes every value of a repeated key: list, set, frozenset or tuple, or one of these or None."""
    return any(
        plain in _COLLECTIONS or get_origin(plain) in _COLLECTIONS for plain in map(plain_type, options_of(kind))
    )


def is_raw(kind: Any) -> bool:
    """Whether a type is what a WebSocket's message is by itself: str, bytes, or either."""
    return all(option is str or option is bytes for option in options_of(kind))


def is_pydantic_model(kind: Any) -> bool:
    """Whether a type is a pydantic model class; pydantic itself is never imported here."""
    return isinstance(kind, type) and hasattr(kind, "model_validate") and hasattr(kind, "model_fields")


def is_structured(kind: Any) -> bool:
    """Whether a type is an object with named fields or a mapping: what a JSON body holds."""
    plain = plain_type(kind)
    kind = get_origin(plain) or plain
    if is_pydantic_model(kind) or kind is dict:
        return True
    if not isinstance(kind, type):
        return False
    if issubclass(kind, msgspec.Struct):
        return True
    return any(hasattr(kind, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "__total__"))


def holds_structure(kind: Any) -> bool:
    """Whether a type is structured, or a union or a collection with something structured in it."""
    return any(
        is_structured(option) or (is_sequence(option) and any(map(holds_structure, get_args(plain_type(option)))))
        for option in options_of(kind)
    )


_TEXT_TYPES = (
    msgspec.inspect.AnyType,
    msgspec.inspect.BoolType,
    msgspec.inspect.BytesType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.DateType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.EnumType,
    msgspec.inspect.FloatType,
    msgspec.inspect.IntType,
    msgspec.inspect.LiteralType,
    msgspec.inspect.NoneType,
    msgspec.inspect.StrType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.TimeType,
    msgspec.inspect.UUIDType,
)


def inner_types(info: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """What a parameter's text, or each of its texts, may become: the leaves of a union or a collection, or of both."""
    if isinstance(info, msgspec.inspect.Metadata):
        return inner_types(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return [leaf for option in info.types for leaf in inner_types(option)]
    if isinstance(info, msgspec.inspect.TupleType):
        return [leaf for item in info.item_types for leaf in _leaves(item)]
    if isinstance(info, msgspec.inspect.ListType | msgspec.inspect.SetType | msgspec.inspect.FrozenSetType):
        return _leaves(info.item_type)
    if isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.CollectionType):
        return _leaves(info.item_type)
    return [info]


def _leaves(info: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """As inner_types, for the items of a collection: there is no text for a collection in a collection."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _leaves(info.type)
    return list(info.types) if isinstance(info, msgspec.inspect.UnionType) else [info]


def is_text_type(info: msgspec.inspect.Type) -> bool:
    """Whether one text can become it."""
    return isinstance(info, _TEXT_TYPES)


def type_words(kind: Any) -> str:
    """A type as a reader says it: `int`, `int | None`, `one of 'a', 'b'`, `list[int]`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return type_words(get_args(kind)[0])
    if is_union(kind):
        return " | ".join(type_words(option) for option in get_args(kind))
    if origin is Literal:
        return "one of " + ", ".join(repr(value) for value in get_args(kind))
    if kind is types.NoneType:
        return "None"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    if origin is not None:
        inner = ", ".join("..." if argument is ... else type_words(argument) for argument in get_args(kind))
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    return getattr(kind, "__name__", str(kind))
