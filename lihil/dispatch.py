"""From a request to its handler: the table of all endpoints of one app, and the answers when there is none."""

import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from lihil.asgi import HTTP_RESPONSE_BODY, HTTP_RESPONSE_START, WEBSOCKET, ASGIApp, RawHeaders, Receive, Scope, Send
from lihil.di.graph import Graph
from lihil.di.node import DependentNode, name_of, place_of, problem_at
from lihil.di.registry import Providers
from lihil.errors import SetupError, SetupProblem
from lihil.problems import Problem
from lihil.routing.path import Captured, PathError, PathPattern, parse_path
from lihil.routing.route import Endpoint, Mounted, RouteNode, Surroundings, wrap
from lihil.routing.tree import PathTree
from lihil.websocket.connection import WebSocket
from lihil.websocket.origin import HostPolicy, OriginPolicy, parse_host

logger: logging.Logger = logging.getLogger("lihil.app")

Fields: TypeAlias = tuple[bytes, ...]

_REMEMBERED_FIELDS: Final = 1024
_DOUBTFUL_HOST: Final = 400
_FOREIGN_ORIGIN: Final = 403
_FOREIGN_HOST: Final = 421
_FOREIGN: Final = {
    _DOUBTFUL_HOST: "a request has one Host field, with a name in it",
    _FOREIGN_ORIGIN: "pages of this Origin may not open a WebSocket here",
    _FOREIGN_HOST: "this server does not answer to that Host",
}
_OPTIONS: Final = "OPTIONS"


@dataclass(slots=True)
class Bound:
    """An endpoint inside the middlewares of its route and of the routes above."""

    endpoint: Endpoint
    app: ASGIApp


ByMethod: TypeAlias = dict[str, Bound]
"""What answers on one path; a WebSocket's method is ""."""


class RoutingTable:
    """Every endpoint of one app by kind, path and method."""

    def __init__(self, providers: Providers) -> None:
        self.providers = providers
        self.endpoints: list[Endpoint] = []
        self.websockets: PathTree[ByMethod] = PathTree()
        self.http: PathTree[ByMethod] = PathTree()
        self._mounted: list[tuple[Bound, Mounted]] = []
        self._problems: list[SetupProblem] = []

    @classmethod
    def of(cls, root: RouteNode, graph: Graph, constants: Mapping[type, Any]) -> "RoutingTable":
        """The table of a route tree. Raises nothing: what is wrong comes out of `prepare`."""
        mounts = list(root.walk())
        registries = [registry for mounted in mounts for registry in mounted.registries]
        table = cls(Providers([graph.registry, *registries]))
        for mounted in mounts:
            table._mount(mounted, Providers([*mounted.registries, graph.registry]), constants)
        return table

    def _mount(self, mounted: Mounted, providers: Providers, constants: Mapping[type, Any]) -> None:
        try:
            pattern = parse_path(mounted.path)
        except PathError as exc:  # each part can be read, and the whole cannot
            fix = "change the path of this route or of one above it"
            self._problems.append(SetupProblem(f"{mounted.route!r}: {exc}", fix))
            return
        for endpoint in mounted.route.endpoints(Surroundings(pattern, providers, constants)):
            bound = Bound(endpoint, endpoint)
            self.endpoints.append(endpoint)
            self._mounted.append((bound, mounted))
            self._place(bound)

    def _place(self, bound: Bound) -> None:
        endpoint = bound.endpoint
        tree = self.websockets if endpoint.kind == WEBSOCKET else self.http
        taken = tree.add(endpoint.pattern, dict).setdefault(endpoint.method, bound)
        if taken is bound:
            return
        file, line = place_of(taken.endpoint.handler)
        name = f"{endpoint.method or 'WebSocket'} {endpoint.pattern.path}"
        what = f"{name} is taken by {name_of(taken.endpoint.handler)} ({file}:{line})"
        is_twice = taken.endpoint.handler is endpoint.handler
        fix = "include the route once" if is_twice else "give one of the two another path"
        self._problems.append(problem_at(endpoint.handler, what, fix))

    def prepare(self, built: dict[DependentNode, Any]) -> list[SetupProblem]:
        """Compile every plan and build every middleware; all that is wrong, in the order of the routes."""
        problems = list(self._problems)
        for bound, mounted in self._mounted:
            try:
                bound.endpoint.prepare(built)
            except SetupError as exc:
                problems += exc.problems
            try:
                bound.app = wrap(bound.endpoint, (*mounted.middlewares, *bound.endpoint.middlewares))
            except SetupError as exc:
                problems += exc.problems
        return problems


class Dispatcher:
    """The innermost ASGI app: checks Host and Origin, finds the endpoint, or says why there is none."""

    def __init__(self, table: RoutingTable, hosts: HostPolicy, origins: OriginPolicy) -> None:
        self._websockets = table.websockets
        self._http = table.http
        self._hosts = hosts
        self._origins = origins
        # The same few fields come with nearly every request, and reading them costs as much as all the rest.
        self._status_of = lru_cache(_REMEMBERED_FIELDS)(self._judge)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine function: what is decided here never waits, so a request need not pay for one more frame.
        problem = self._foreign(scope)
        if problem is None:
            found = self._find(scope)
            if found is not None:
                bound, captured = found
                _note_captured(scope, bound.endpoint.pattern, captured)
                return bound.app(scope, receive, send)
            problem = self._unanswered(scope)
        return refuse(problem, scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Bound, Captured] | None:
        is_websocket = scope["type"] == WEBSOCKET
        found = (self._websockets if is_websocket else self._http).find(_route_path(scope))
        if found is None:
            return None
        bounds, captured = found
        method = "" if is_websocket else scope["method"]
        bound = bounds.get(method) or (bounds.get("GET") if method == "HEAD" else None)
        return None if bound is None else (bound, captured)

    def _foreign(self, scope: Scope) -> Problem | None:
        """The refusal of a Host or an Origin that is not ours; None for the rest."""
        hosts, origins = _who_asks(scope["headers"])
        server = scope.get("server")
        pages = origins if scope["type"] == WEBSOCKET else ()
        status = self._status_of(hosts, pages, server[0] if server else None)
        if status is None:
            return None
        if status == _FOREIGN_HOST:
            host = hosts[0].decode("latin-1") if hosts else None
            logger.warning("host %r refused for %r; allow it with Lihil(allowed_hosts=[...])", host, scope["path"])
        elif status == _FOREIGN_ORIGIN:
            origin = b", ".join(origins).decode("latin-1")
            logger.warning(
                "origin %r refused for %r; allow it with Lihil(allowed_origins=[...])", origin, scope["path"]
            )
        return Problem(status=status, detail=_FOREIGN[status], instance=scope["path"])

    def _judge(self, hosts: Fields, origins: Fields, server: str | None) -> int | None:
        """The status for these Host and Origin fields, None when they are fine."""
        names = [host.decode("latin-1") for host in hosts]
        if len(names) > 1 or any(parse_host(name) is None for name in names):  # RFC 9112, section 3.2
            return _DOUBTFUL_HOST
        name = names[0] if names else None
        if not self._hosts.allows(name, server):
            return _FOREIGN_HOST
        origin = b", ".join(origins).decode("latin-1") if origins else None  # several are none: no entry is like that
        return None if self._origins.allows(origin, name) else _FOREIGN_ORIGIN

    def _unanswered(self, scope: Scope) -> Problem:
        route_path, path = _route_path(scope), scope["path"]
        found = self._http.find(route_path)
        allow = ("allow", ", ".join(_methods(found[0]))) if found is not None else None
        if scope["type"] != WEBSOCKET and self._websockets.find(route_path) is not None and allow is None:
            headers = (("upgrade", "websocket"), ("connection", "Upgrade"))  # RFC 9110, sections 7.8 and 15.5.22
            return Problem(status=426, detail="this path speaks WebSocket only", instance=path, headers=headers)
        if allow is None:
            return Problem(status=404, detail=self._nothing_here(route_path, path), instance=path)
        if scope["type"] == WEBSOCKET:
            detail = f"there is no WebSocket on this path; it answers {allow[1]} over plain HTTP"
            return Problem(status=404, detail=detail, instance=path)
        if scope["method"] == _OPTIONS:
            return Problem(status=204, headers=(allow,))
        return Problem(status=405, detail=f"this path answers {allow[1]}", instance=path, headers=(allow,))

    def _nothing_here(self, route_path: str, path: str) -> str:
        shorter = route_path.rstrip("/")
        if shorter and shorter != route_path and (self._websockets.find(shorter) or self._http.find(shorter)):
            return f"nothing answers on this path; there is one without the trailing slash: {path.rstrip('/')}"
        return "nothing answers on this path"


def _who_asks(headers: RawHeaders) -> tuple[Fields, Fields]:
    """The values of the Host and of the Origin fields."""
    hosts: Fields = ()
    origins: Fields = ()
    for name, value in headers:
        if name == b"host":
            hosts += (value,)
        elif name == b"origin":
            origins += (value,)
    return hosts, origins


def _methods(bounds: ByMethod) -> list[str]:
    """The HTTP methods for an Allow field (RFC 9110, section 10.2.1)."""
    return sorted({*bounds, _OPTIONS, *(["HEAD"] if "GET" in bounds else [])})


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or an opening handshake with problem details."""
    if scope["type"] == WEBSOCKET:
        await WebSocket(scope, receive, send).refuse(problem)
        return
    has_body = problem.status != 204  # RFC 9110, section 15.3.5
    body = problem.body() if has_body else b""
    headers = [field for field in problem.raw_headers(body) if has_body or not field[0].startswith(b"content-")]
    await send({"type": HTTP_RESPONSE_START, "status": problem.status, "headers": headers})
    await send({"type": HTTP_RESPONSE_BODY, "body": b"" if scope["method"] == "HEAD" else body})


def _route_path(scope: Scope) -> str:
    """The decoded path below the place where a proxy or a mount put the app (ASGI, root_path)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :] or "/"
    return path


def _note_captured(scope: Scope, pattern: PathPattern, captured: Captured) -> None:
    texts = pattern.captured_by_name(captured)
    values = pattern.converted(texts)
    above = scope.get("path_params")
    scope["lihil.path"] = texts
    scope["path_params"] = {**above, **values} if above else values
