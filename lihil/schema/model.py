"""The one description of an app: routes with their typed parameters. Every document and tool is made from it.

Plain frozen records: `msgspec.to_builtins` and `msgspec.json.encode` take them as they are.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lihil.binding.signature import MessageTypes
from lihil.di.node import name_of, place_of
from lihil.params.decode import type_words
from lihil.params.spec import MISSING, OMITTED, ParamSpec
from lihil.routing.route import Endpoint
from lihil.schema.messages import MessageModel, describe_messages


@dataclass(frozen=True, slots=True)
class ParamModel:
    """A parameter as a client sees it. `location` is path, query, header, cookie or body; `name` is the wire's.

    `default` is its Python form, None where there is none or where it is not known.
    """

    name: str
    location: str
    type: str
    required: bool
    default: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class RouteModel:
    """One handler. `kind` is "http" or "websocket", `method` "" for a WebSocket, `file` relative to the working folder.

    `problems` says what keeps the app from starting with this handler. `receives` and `sends` are the types of a typed
    WebSocket's messages, seen from the app; "" for one that is not typed, and for a listener that never replies.
    `messages` are the kinds of object among them.
    """

    kind: str
    path: str
    method: str
    handler: str
    file: str
    line: int
    summary: str
    params: tuple[ParamModel, ...]
    problems: tuple[str, ...] = ()
    receives: str = ""
    sends: str = ""
    messages: tuple[MessageModel, ...] = ()


@dataclass(frozen=True, slots=True)
class AppModel:
    """An app: its routes in the order of their paths, HTTP before WebSocket on one path."""

    title: str
    version: str
    routes: tuple[RouteModel, ...]


class Describable(Protocol):
    """What a description needs of an app; `lihil.Lihil` has it."""

    def endpoints(self) -> Sequence[Endpoint]: ...


def describe_app(app: Describable, *, title: str = "", version: str = "") -> AppModel:
    """The model of an app. The app need not be started, and its set-up need not be sound."""
    routes = sorted((_route(endpoint) for endpoint in app.endpoints()), key=lambda r: (r.path, r.kind, r.method))
    return AppModel(title, version, tuple(routes))


def _route(endpoint: Endpoint) -> RouteModel:
    signature = endpoint.signature()
    file, line = place_of(endpoint.handler)
    params = sorted(_params(signature.specs), key=lambda p: _LOCATIONS.index(p.location))
    return RouteModel(
        kind=endpoint.kind,
        path=endpoint.pattern.path,
        method=endpoint.method,
        handler=f"{endpoint.handler.__module__}:{name_of(endpoint.handler)}",
        file=file,
        line=line,
        summary=(inspect.getdoc(endpoint.handler) or "").partition("\n")[0],
        params=tuple(params),
        problems=tuple(str(problem) for problem in signature.problems),
        receives=_words(signature.messages and signature.messages.receives),
        sends=_words(signature.messages and signature.messages.sends),
        messages=tuple(_messages(signature.messages)),
    )


def _messages(types: MessageTypes | None) -> Iterator[MessageModel]:
    if types is not None:
        yield from describe_messages("receives", types.receives)
        yield from describe_messages("sends", types.sends)


def _words(kind: Any) -> str:
    return "" if kind is None else type_words(kind)


_LOCATIONS = ("path", "query", "header", "cookie", "body")


def _params(specs: Sequence[ParamSpec]) -> Iterator[ParamModel]:
    for spec in specs:
        if spec.fields:
            yield from _params(spec.fields)
            continue
        yield ParamModel(
            name=spec.key,
            location=spec.source,
            type=type_words(spec.type),
            required=spec.required,
            default=None if spec.default is MISSING or spec.default is OMITTED else repr(spec.default),
            description=spec.description,
        )
