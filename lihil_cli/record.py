"""Records: frozen data under names, as `dataclass(frozen=True)` makes them, at a fiftieth of what such a class costs.

`dataclass` writes and compiles every method of a class while it is imported, 0.4 ms for each class. `lihil ws-test`
imports a hundred of them, which was a third of the time until it showed a message. A Record compiles one method, and
only when the first of its kind is made; making one takes half as long as with `dataclass`.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """The base of a record: its annotated names are its fields, in their order, and a value is a field's default.

    Two records of one class are equal when their fields are. That nothing is assigned to a field is for mypy to see.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # that of Generic, where it is one
        cls.__match_args__ = (*cls.__match_args__, *cls.__annotations__)  # type: ignore[misc]
        cls.__init__ = Record.__init__  # type: ignore[method-assign] # not the one of the record it is made from

    def __init__(self, *values: Any, **named: Any) -> None:
        kind = type(self)
        kind.__init__ = _initializer_of(kind)  # type: ignore[method-assign]
        kind.__init__(self, *values, **named)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def but(self, **changes: Any) -> Self:
        """The same record with other values in some fields. Raises TypeError for a field that it does not have."""
        return type(self)(**{**self.__dict__, **changes})


def _initializer_of(kind: type[Record]) -> Callable[..., None]:
    """An `__init__` with the record's fields as its parameters."""
    names = kind.__match_args__
    parameters = [f"{name}=_kind.{name}" if hasattr(kind, name) else name for name in names]
    body = [f"    self.{name} = {name}" for name in names] or ["    pass"]
    scope: dict[str, Any] = {"_kind": kind}
    exec("\n".join([f"def __init__({', '.join(['self', *parameters])}):", *body]), scope)  # noqa: S102 - our own names
    return scope["__init__"]  # type: ignore[no-any-return]
