"""One provider: a factory, what it gives, and what it asks for."""

import contextlib
import functools
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MethodType
from typing import Annotated, Any, cast, get_args, get_origin

from lihil.di.annotations import UnreadableAnnotationError, annotation_of, definition_of, note_local_names
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


# A plain function that says it returns a generator gives a resource as well: one that wraps another does.
_YIELDED_AS = {AsyncGenerator: FactoryKind.ASYNC_GENERATOR, Generator: FactoryKind.GENERATOR}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a handler or factory. `annotation` is None where there is none, or where `problem` says why."""

    name: str
    annotation: Any
    default: Any
    kind: Any
    problem: SetupProblem | None = None

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty

    @property
    def by_position(self) -> bool:
        return self.kind is inspect.Parameter.POSITIONAL_ONLY

    @property
    def is_variadic(self) -> bool:
        return self.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


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
        note_local_names(factory)
        call = _under_context_manager(factory)
        hint = return_hint(call)
        kind = _YIELDED_AS.get(get_origin(bare_type(hint)), kind_of(call))
        return cls(factory, call, kind, _provided_by(kind, hint), reuse, singleton)

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
    target = inspect.unwrap(definition_of(function))
    try:
        if inspect.isclass(target):
            file, line = inspect.getsourcefile(target) or "", inspect.getsourcelines(target)[1]
        else:
            file, line = target.__code__.co_filename, target.__code__.co_firstlineno
    except (OSError, TypeError, AttributeError):
        return "", 0
    inside = os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file
    return inside, line


def problem_at(function: Any, what: str, fix: str, *, parameter: str = "") -> SetupProblem:
    """A set-up problem that points at `function`."""
    file, line = place_of(function)
    return SetupProblem(what, fix, file, line, name_of(function), parameter)


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters a caller fills: those that `functools.partial` has bound are left out."""
    definition = definition_of(function)
    try:
        signature = inspect.signature(definition if inspect.isclass(definition) and get_origin(function) else function)
    except (ValueError, TypeError):  # builtins such as `dict`
        return []
    bound: Mapping[str, object] = getattr(function, "keywords", {}) if isinstance(function, functools.partial) else {}
    return [_parameter(function, item) for item in signature.parameters.values() if item.name not in bound]


def _parameter(function: Callable[..., Any], item: inspect.Parameter) -> Parameter:
    try:
        return Parameter(item.name, annotation_of(function, item.name), item.default, item.kind)
    except UnreadableAnnotationError as exc:
        problem = problem_at(function, exc.what, exc.fix, parameter=item.name)
        return Parameter(item.name, None, item.default, item.kind, problem)


def meta_of(annotation: Any) -> NodeMeta | None:
    """The injection mark inside `Annotated`: ours, or ididi's, known by its attributes and never imported."""
    if get_origin(annotation) is not Annotated:
        return None
    for mark in get_args(annotation)[1:]:
        if isinstance(mark, NodeMeta):
            return mark
        if get_origin(mark) is Annotated:  # ididi's use() gives Annotated[T, mark]
            return meta_of(mark)
        if all(hasattr(mark, name) for name in ("factory", "reuse", "ignore")):
            factory = mark.factory if inspect.isroutine(mark.factory) or inspect.isclass(mark.factory) else None
            return NodeMeta(factory, mark.reuse is True, mark.ignore is True)
    return None


def bare_type(annotation: Any) -> Any:
    """The type inside `Annotated`."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _under_context_manager(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The generator function below `@asynccontextmanager` or `@contextmanager`: entering it is injection's work."""
    function = getattr(factory, "__func__", factory)
    if getattr(function, "__globals__", None) is not vars(contextlib):
        return factory
    inner: Callable[..., Any] = vars(function)["__wrapped__"]
    return MethodType(inner, factory.__self__) if isinstance(factory, MethodType) else inner


def kind_of(function: Any) -> FactoryKind:
    """How a function, a class or an object with `__call__` is called."""
    definition = definition_of(function)
    if inspect.isasyncgenfunction(definition):
        return FactoryKind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(definition):
        return FactoryKind.GENERATOR
    if inspect.iscoroutinefunction(definition):
        return FactoryKind.COROUTINE
    return FactoryKind.PLAIN


def return_hint(function: Callable[..., Any]) -> Any:
    """The return annotation, None where there is none; a class gives itself. Raises SetupError."""
    definition = definition_of(function)
    if inspect.isclass(definition):
        return definition
    try:
        return annotation_of(function, "return")
    except UnreadableAnnotationError as exc:
        raise SetupError([problem_at(function, exc.what, exc.fix, parameter="return")]) from None


def _provided_by(kind: FactoryKind, hint: Any) -> Any:
    """The type that a return annotation promises; None for `Ignore[...]`."""
    if _is_ignored(hint):
        return None
    hint = bare_type(hint)
    if kind.is_resource and get_origin(hint) in _YIELDING:
        hint = get_args(hint)[0]
        return None if _is_ignored(hint) else bare_type(hint)
    return hint


def _is_ignored(hint: Any) -> bool:
    meta = meta_of(hint)
    return meta is not None and meta.ignore
