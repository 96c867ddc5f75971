"""What users write in annotations: `Param`, `use`, `Ignore`, `AsyncResource`, `Resource`."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

T = TypeVar("T")

ParamSource: TypeAlias = Literal["path", "query", "header", "cookie", "body"]
SOURCES: tuple[str, ...] = get_args(ParamSource)

AsyncResource: TypeAlias = AsyncGenerator[T, None]
"""The return type of an async generator that yields one T and cleans up after it."""

Resource: TypeAlias = Generator[T, None, None]
"""The return type of a generator that yields one T and cleans up after it."""


@dataclass(frozen=True, slots=True)
class NodeMeta:
    """How a parameter is built: by `factory`, once per connection when `reuse`, not at all when `ignore`.

    Any object with these three attributes is understood in `Annotated`, so marks made by ididi work as well.
    """

    factory: Callable[..., Any] | None = None
    reuse: bool = False
    ignore: bool = False


def use(factory: Callable[..., Any], *, reuse: bool = False) -> NodeMeta:
    """Mark a parameter as built by `factory`: `Annotated[Session, use(open_session)]`.

    `factory` is a class, a function or a generator function, sync or async. A generator's value is what it yields;
    it is resumed when the connection ends. With `reuse` one value serves the whole connection.
    Raises TypeError when `factory` cannot be called.
    """
    if not callable(factory):
        raise TypeError(f"use() takes a class or a function, not {factory!r}; write use(make_it), without a call")
    return NodeMeta(factory=factory, reuse=reuse)


Ignore: TypeAlias = Annotated[T, NodeMeta(ignore=True)]
"""`Ignore[T]` on a parameter: never built by injection; the framework or the handler's parameter of that name gives it.

On a factory's return type: the factory is not the provider of T; only `use(factory)` calls it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Limits on a value, named and meant as in msgspec.Meta."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    multiple_of: float | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    tz: bool | None = None


class Param:
    """Where a parameter comes from, under which name, and within which limits.

    `Annotated[int, Param("query", alias="max-users", ge=1)]`. `source` is path, query, header, cookie or body; without
    it the ordinary rules decide. `decoder` turns the text into the value and says what is wrong by ValueError.
    Raises ValueError for an unknown source.
    """

    __slots__ = ("alias", "constraints", "decoder", "description", "examples", "source", "title")

    def __init__(  # noqa: PLR0913 - one keyword per limit reads better than a nested record
        self,
        source: ParamSource | None = None,
        *,
        alias: str | None = None,
        decoder: Callable[[str], Any] | None = None,
        gt: float | None = None,
        ge: float | None = None,
        lt: float | None = None,
        le: float | None = None,
        multiple_of: float | None = None,
        pattern: str | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        tz: bool | None = None,
        title: str | None = None,
        description: str | None = None,
        examples: list[Any] | None = None,
    ) -> None:
        if source is not None and source not in SOURCES:
            raise ValueError(f"Param takes one of {', '.join(SOURCES)} as its source, not {source!r}")
        self.source = source
        self.alias: str | None = alias
        self.decoder: Callable[[str], Any] | None = decoder
        self.constraints: Constraints = Constraints(
            gt=gt,
            ge=ge,
            lt=lt,
            le=le,
            multiple_of=multiple_of,
            pattern=pattern,
            min_length=min_length,
            max_length=max_length,
            tz=tz,
        )
        self.title: str | None = title
        self.description: str | None = description
        self.examples: list[Any] | None = examples

    def merged_with(self, others: Sequence["Param"]) -> "Param":
        """This mark with what later marks on the same parameter add."""
        merged = Param(self.source)
        for mark in (self, *others):
            for name in ("alias", "decoder", "description", "examples", "source", "title"):
                value = getattr(mark, name)
                if value is not None:
                    setattr(merged, name, value)
            limits = {name: getattr(mark.constraints, name) for name in Constraints.__slots__}
            given = {name: value for name, value in limits.items() if value is not None}
            merged.constraints = replace(merged.constraints, **given)
        return merged
