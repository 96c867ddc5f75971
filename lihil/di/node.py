"""One provider: a factory, what it gives, and what it asks for."""

import functools
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from lihil.errors import SetupError, SetupProblem
from lihil.markers import NodeMeta

_YIELDING = (AsyncGenerator, AsyncIterator, Generator, Iterator)


class FactoryKind(Enum):
    """How a factory is called, and whether it has to be resumed afterwards."""

    PLAIN = "plain"
    COROUTINE = "coroutine"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"

    @property
    def is_resource(self) -> bool:
        return self in {FactoryKind.GENERATOR, FactoryKind.ASYNC_GENERATOR}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a handler or factory, its annotation resolved. `annotation` is None where there is none."""

    name: str
    annotation: Any
    default: Any
    kind: Any

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty

    @property
    def by_position(self) -> bool:
        return self.kind is inspect.Parameter.POSITIONAL_ONLY


@dataclass(frozen=True, slots=True, eq=False)
class DependentNode:
    """A factory that injection can call. `provides` is its type, None when only `use(factory)` may reach it.

    `reuse`: one value for a whole connection. `singleton`: one value for the app's life.
    """

    factory: Callable[..., Any]
    call: Callable[..., Any]
    kind: FactoryKind
    provides: Any
    reuse: bool = False
    singleton: bool = False

    @classmethod
    def of(cls, factory: Callable[..., Any], *, reuse: bool = False, singleton: bool = False) -> "DependentNode":
        """Look at `factory` once. Raises SetupError when it is no class or function."""
        if not callable(cast(object, factory)):
            problem = SetupProblem(f"{factory!r} cannot provide anything", "pass a class or a function, without a call")
            raise SetupError([problem])
        call = _under_context_manager(factory)
        return cls(factory, call, kind_of(call), _provided_by(call), reuse, singleton)

    @property
    def name(self) -> str:
        return name_of(self.factory)


def name_of(function: Any) -> str:
    """A function's or a class's own name, good for reading."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


def place_of(function: Any) -> tuple[str, int]:
    """File and line of a function or class, the file relative to the working directory; ("", 0) when unknown."""
    target = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    try:
        if inspect.isclass(target):
            file, line = inspect.getsourcefile(target) or "", inspect.getsourcelines(target)[1]
        else:
            code = getattr(target, "__code__", None) or type(target).__call__.__code__
            file, line = code.co_filename, code.co_firstlineno
    except (OSError, TypeError, AttributeError):
        return "", 0
    inside = os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file
    return inside, line


def problem_at(function: Any, what: str, fix: str, *, parameter: str = "") -> SetupProblem:
    """A set-up problem that points at `function`."""
    file, line = place_of(function)
    return SetupProblem(what, fix, file, line, name_of(function), parameter)


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters a caller fills, annotations resolved. Raises SetupError for names that do not resolve."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # builtins such as `dict`
        return []
    hints = _hints_of(function)
    return [
        Parameter(item.name, hints.get(item.name), item.default, item.kind) for item in signature.parameters.values()
    ]


def return_hint(function: Callable[..., Any]) -> Any:
    """The resolved return annotation, None where there is none."""
    return _hints_of(function).get("return")


def meta_of(annotation: Any) -> NodeMeta | None:
    """The injection mark inside `Annotated`: ours, or or ididi's, known by its attributes."""
    if get_origin(annotation) is not Annotated:
        return None
    for mark in get_args(annotation)[1:]:
        if isinstance(mark, NodeMeta):
            return mark
        if all(hasattr(mark, name) for name in ("factory", "reuse", "ignore")):
            return NodeMeta(mark.factory or None, bool(mark.reuse), bool(mark.ignore))
    return None


def bare_type(annotation: Any) -> Any:
    """The type inside `Annotated`."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _hints_of(function: Any) -> dict[str, Any]:
    target = function.func if isinstance(function, functools.partial) else function
    if inspect.isclass(target):
        target = target.__init__
    elif not hasattr(target, "__annotations__"):
        target = type(target).__call__
    try:
        return get_type_hints(target, localns=_closure_of(target), include_extras=True)
    except NameError as exc:
        fix = f"import {exc.name!r} at the top of the module: annotations are read when the app starts"
        raise SetupError([problem_at(function, f"the annotation {exc.name!r} is not defined", fix)]) from None
    except TypeError:  # slots and builtins whose __init__ has no annotations
        return {}


def _closure_of(function: Any) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=False)}


def _under_context_manager(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The generator function below `@asynccontextmanager` or `@contextmanager`: entering it is injection's work."""
    inner = getattr(factory, "__wrapped__", None)
    if inner is not None and kind_of(inner).is_resource and not kind_of(factory).is_resource:
        return inner  # type: ignore[no-any-return]
    return factory


def kind_of(function: Any) -> FactoryKind:
    """How a function, a class or an object with `__call__` is called."""
    target = function.func if isinstance(function, functools.partial) else function
    if not (inspect.isroutine(target) or inspect.isclass(target)):
        target = type(target).__call__
    if inspect.isasyncgenfunction(target):
        return FactoryKind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(target):
        return FactoryKind.GENERATOR
    if inspect.iscoroutinefunction(target):
        return FactoryKind.COROUTINE
    return FactoryKind.PLAIN


def _provided_by(function: Any) -> Any:
    if inspect.isclass(function):
        return function
    hint = return_hint(function)
    meta = meta_of(hint)
    if meta is not None and meta.ignore:
        return None
    hint = bare_type(hint)
    if get_origin(hint) in _YIELDING:
        inner = get_args(hint)[0]
        meta = meta_of(inner)
        return None if meta is not None and meta.ignore else bare_type(inner)
    return hint
