"""From a request to its handler: the table of all endpoints of one app, and the answers when there is none."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from starlette.datastructures import Headers

from lihil.asgi import HTTP_RESPONSE_BODY, HTTP_RESPONSE_START, WEBSOCKET, ASGIApp, Receive, Scope, Send
from lihil.di.graph import Graph
from lihil.di.node import DependentNode, name_of, place_of, problem_at
from lihil.di.registry import Providers
from lihil.errors import SetupError, SetupProblem
from lihil.problems import Problem
from lihil.routing.path import Captured, PathError, parse_path
from lihil.routing.route import Endpoint, Mounted, RouteNode, Surroundings, wrap
from lihil.routing.tree import PathTree
from lihil.websocket.connection import WebSocket
from lihil.websocket.origin import HostPolicy, OriginPolicy, parse_host

logger: logging.Logger = logging.getLogger("lihil.app")

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._foreign(scope)
        if problem is None:
            found = self._find(scope)
            if found is not None:
                bound, captured = found
                _note_captured(scope, bound.endpoint, captured)
                await bound.app(scope, receive, send)
                return
            problem = self._unanswered(scope)
        await refuse(problem, scope, receive, send)

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
        headers, path = Headers(scope=scope), scope["path"]
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) > 1 or any(parse_host(host) is None for host in hosts):  # RFC 9112, section 3.2
            return Problem(status=400, detail="a request has one Host field, with a name in it", instance=path)
        host, server = hosts[0] if hosts else None, scope.get("server")
        if not self._hosts.allows(host, server[0] if server else None):
            logger.warning("host %r refused for %r; allow it with Lihil(allowed_hosts=[...])", host, path)
            return Problem(status=421, detail="this server does not answer to that Host", instance=path)
        if scope["type"] != WEBSOCKET or not origins:
            return None
        origin = ", ".join(origins)  # several are none: no entry is like that
        if not self._origins.allows(origin, host):
            logger.warning("origin %r refused for %r; allow it with Lihil(allowed_origins=[...])", origin, path)
            detail = "pages of this Origin may not open a WebSocket here"
            return Problem(status=403, detail=detail, instance=path)
        return None

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


def _note_captured(scope: Scope, endpoint: Endpoint, captured: Captured) -> None:
    pattern = endpoint.pattern
    texts = pattern.captured_by_name(captured)
    scope["lihil.path"] = texts
    scope["path_params"] = {**scope.get("path_params", {}), **pattern.converted(texts)}
