"""Reads one annotation of a function or a class at a time, so that each that cannot be read is named.

Text annotations (`from __future__ import annotations`) are looked up in the module, in the closure, and in the function
around the definition where that is known.
"""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, SimpleNamespace
from typing import Any, TypeAlias, get_origin, get_type_hints

Namespace: TypeAlias = Mapping[str, Any]

_LOCALS = ".<locals>."
_IDENTIFIER = re.compile(r"[^\W\d]\w*")

# The attribute of a function or class that keeps what its text annotations name in the function around it, from the
# time it was registered: later that call has ended.
_NOTED = "__lihil_local_names__"


class UnreadableAnnotationError(Exception):
    """An annotation that cannot be evaluated: `what` is wrong, and the `fix`."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def definition_of(function: Any) -> Any:
    """The class or function that is called in the end: inside partial, `Generic[T]`, or an object's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    origin = get_origin(function)
    if inspect.isclass(origin):
        return origin
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def annotation_of(function: Callable[..., Any], name: str) -> Any:
    """The annotation of a parameter, or of "return", evaluated; None where there is none.

    A class whose `__init__` says nothing about a parameter is asked for the field of that name. Raises
    UnreadableAnnotationError.
    """
    for owner in _owners(definition_of(function)):
        raw = inspect.get_annotations(owner).get(name, inspect.Parameter.empty)
        if raw is not inspect.Parameter.empty:
            return _evaluated(raw, owner)
    return None


def note_local_names(function: Callable[..., Any]) -> None:
    """Remember what the text annotations of a function name in the function around it, while that still runs.

    To be called where a function is registered. It makes `from __future__ import annotations` work with types that
    are defined inside a function.
    """
    for owner in map(inspect.unwrap, _owners(definition_of(function))):
        wanted = {word for raw in inspect.get_annotations(owner).values() for word in _words(raw)}
        around = _names_around(owner) if wanted else {}
        found = {word: around[word] for word in wanted & around.keys()}
        if not found or _NOTED in vars(owner):
            continue
        setattr(owner, _NOTED, found)
        for value in found.values():  # the factories that it names in use(...) have such annotations as well
            if inspect.isfunction(value) or inspect.isclass(value):
                note_local_names(value)


def _owners(definition: Any) -> Iterator[Any]:
    """What may carry annotations for a call of `definition`, the first that has one decides."""
    if not inspect.isclass(definition):
        yield getattr(definition, "__func__", definition)
        return
    if not hasattr(definition, "_fields"):  # a NamedTuple's __new__ is generated, its names are known to the class
        yield from filter(inspect.isfunction, (definition.__init__, definition.__new__))
    yield from (kind for kind in definition.__mro__ if kind is not object)


def _evaluated(raw: Any, owner: Any) -> Any:
    definition = inspect.unwrap(owner)
    known = _namespace_of(definition)
    around = {**_names_around(definition), **vars(definition).get(_NOTED, {}), **_closure_of(definition)}
    holder = SimpleNamespace(__annotations__={"it": raw})
    try:
        return get_type_hints(holder, dict(known), around, include_extras=True)["it"]
    except NameError as exc:
        fix = f"import or define {exc.name!r} at the top of the module: annotations are read when the app starts"
        raise UnreadableAnnotationError(f"the annotation {exc.name!r} is not defined", fix) from None
    except Exception as exc:  # an annotation is any expression, so it may fail in any way
        fix = "write an expression that gives a type"
        raise UnreadableAnnotationError(f"the annotation {raw!r} cannot be read: {exc}", fix) from None


def _namespace_of(definition: Any) -> Namespace:
    if inspect.isclass(definition):
        return {**getattr(sys.modules.get(definition.__module__), "__dict__", {}), definition.__name__: definition}
    namespace: Namespace = getattr(definition, "__globals__", {})
    return namespace


def _closure_of(definition: Any) -> Namespace:
    cells = getattr(definition, "__closure__", None) or ()
    names = getattr(getattr(definition, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # assigned later than the function was defined
            continue
    return found


def _names_around(definition: Any) -> Namespace:
    """The local names of the function in which this one is defined, if that call is on the stack."""
    outer = getattr(definition, "__qualname__", "").rpartition(_LOCALS)[0]
    if not outer:
        return {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_qualname == outer and frame.f_globals["__name__"] == definition.__module__:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}


def _words(raw: Any) -> list[str]:
    return _IDENTIFIER.findall(raw) if isinstance(raw, str) else []
