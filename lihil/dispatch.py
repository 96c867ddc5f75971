"""From a request to its handler: the table of all endpoints of one app, and the answers when there is none."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers

from lihil.asgi import HTTP_RESPONSE_BODY, HTTP_RESPONSE_START, WEBSOCKET, ASGIApp, Receive, Scope, Send
from lihil.di.graph import Graph
from lihil.di.node import DependentNode, name_of, place_of, problem_at
from lihil.di.registry import Providers
from lihil.errors import SetupError, SetupProblem
from lihil.problems import Problem
from lihil.routing.path import Captured, parse_path
from lihil.routing.route import Endpoint, Mounted, RouteNode, Surroundings, wrap
from lihil.routing.tree import PathTree
from lihil.websocket.connection import WebSocket
from lihil.websocket.origin import HostPolicy, OriginPolicy

logger = logging.getLogger("lihil.app")

_OPTIONS: Final = "OPTIONS"


@dataclass(slots=True)
class Bound:
    """An endpoint inside the middlewares of its route and of the routes above."""

    endpoint: Endpoint
    app: ASGIApp


@dataclass(slots=True)
class PathEntry:
    """All that answers on one path: a WebSocket, and HTTP by method."""

    websocket: Bound | None = None
    http: dict[str, Bound] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The HTTP methods for an Allow field (RFC 9110, section 10.2.1)."""
        implied = {_OPTIONS} | ({"HEAD"} if "GET" in self.http else set())
        return sorted({*self.http, *implied}) if self.http else []


class RoutingTable:
    """Every endpoint of one app by path, kind and method."""

    def __init__(self, providers: Providers) -> None:
        self.providers = providers
        self.endpoints: list[Endpoint] = []
        self.tree: PathTree[PathEntry] = PathTree()
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
        except ValueError as exc:  # a name twice, once in the parent's part and once in the child's
            fix = "rename one of the two"
            self._problems.append(SetupProblem(f"{mounted.route!r}: {exc}", fix))
            return
        for endpoint in mounted.route.endpoints(Surroundings(pattern, providers, constants)):
            bound = Bound(endpoint, endpoint)
            self.endpoints.append(endpoint)
            self._mounted.append((bound, mounted))
            self._place(bound, self.tree.add(pattern, PathEntry))

    def _place(self, bound: Bound, entry: PathEntry) -> None:
        endpoint = bound.endpoint
        taken = entry.websocket if endpoint.kind == WEBSOCKET else entry.http.get(endpoint.method)
        if taken is not None:
            file, line = place_of(taken.endpoint.handler)
            name = f"{endpoint.method or 'WebSocket'} {endpoint.pattern.path}"
            what = f"{name} is taken by {name_of(taken.endpoint.handler)} ({file}:{line})"
            self._problems.append(problem_at(endpoint.handler, what, "give one of the two another path"))
        elif endpoint.kind == WEBSOCKET:
            entry.websocket = bound
        else:
            entry.http[endpoint.method] = bound

    def prepare(self, built: dict[DependentNode, Any]) -> list[SetupProblem]:
        """Compile every plan and build every middleware; all that is wrong, in the order of the routes."""
        problems = list(self._problems)
        for bound, mounted in self._mounted:
            try:
                bound.endpoint.prepare(built)
                bound.app = wrap(bound.endpoint, (*mounted.middlewares, *bound.endpoint.middlewares))
            except SetupError as exc:
                problems += exc.problems
        return list(dict.fromkeys(problems))


class Dispatcher:
    """The innermost ASGI app: checks Host and Origin, finds the endpoint, or says why there is none."""

    def __init__(self, table: RoutingTable, hosts: HostPolicy, origins: OriginPolicy) -> None:
        self._tree = table.tree
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._foreign(scope)
        if problem is None:
            found = self._tree.find(_route_path(scope))
            bound = self._bound(scope, found[0]) if found is not None else None
            if found is not None and bound is not None:
                _note_captured(scope, bound.endpoint, found[1])
                await bound.app(scope, receive, send)
                return
            problem = self._unanswered(scope, found[0] if found is not None else None)
        await refuse(problem, scope, receive, send)

    def _bound(self, scope: Scope, entry: PathEntry) -> Bound | None:
        if scope["type"] == WEBSOCKET:
            return entry.websocket
        method = scope["method"]
        return entry.http.get(method) or (entry.http.get("GET") if method == "HEAD" else None)

    def _foreign(self, scope: Scope) -> Problem | None:
        """The refusal of a Host or an Origin that is not ours; None for the rest."""
        headers = Headers(scope=scope)
        host, path = headers.get("host"), scope["path"]
        server = scope.get("server")
        if not self._hosts.allows(host, server[0] if server else None):
            logger.warning("host %r refused for %r; allow it with Lihil(allowed_hosts=[...])", host, path)
            detail = "this server does not answer to that Host"
            return Problem(status=421, detail=detail, instance=path)
        if scope["type"] == WEBSOCKET and not self._origins.allows(origin := headers.get("origin"), host):
            logger.warning("origin %r refused for %r; allow it with Lihil(allowed_origins=[...])", origin, path)
            detail = "pages of this Origin may not open a WebSocket here"
            return Problem(status=403, detail=detail, instance=path)
        return None

    def _unanswered(self, scope: Scope, entry: PathEntry | None) -> Problem:
        path = scope["path"]
        if entry is None:
            return Problem(status=404, detail=self._nothing_here(scope), instance=path)
        allow = ("allow", ", ".join(entry.methods))
        if scope["type"] == WEBSOCKET:
            detail = f"there is no WebSocket on this path; it answers {allow[1]} over plain HTTP"
            return Problem(status=404, detail=detail, instance=path)
        if entry.websocket is not None and not entry.http:
            headers = (("upgrade", "websocket"), ("connection", "Upgrade"))
            return Problem(status=426, detail="this path speaks WebSocket only", instance=path, headers=headers)
        if scope["method"] == _OPTIONS:
            return Problem(status=204, headers=(allow,))
        return Problem(status=405, detail=f"this path answers {allow[1]}", instance=path, headers=(allow,))

    def _nothing_here(self, scope: Scope) -> str:
        path = _route_path(scope)
        shorter = path.rstrip("/")
        if shorter and shorter != path and self._tree.find(shorter) is not None:
            return f"nothing answers on this path; there is one without the trailing slash: {shorter}"
        return "nothing answers on this path"


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or an opening handshake with problem details."""
    if scope["type"] == WEBSOCKET:
        await WebSocket(scope, receive, send).refuse(problem)
        return
    body = b"" if problem.status == 204 else problem.body()
    headers = problem.raw_headers(body) if body else [(b"allow", value.encode()) for _, value in problem.headers]
    await send({"type": HTTP_RESPONSE_START, "status": problem.status, "headers": headers})
    await send({"type": HTTP_RESPONSE_BODY, "body": b"" if scope["method"] == "HEAD" else body})


def _route_path(scope: Scope) -> str:
    """The decoded path below the place where a proxy or a mount put the app (ASGI, root_path)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :] or "/"
    return path


def _note_captured(scope: Scope, endpoint: Endpoint, captured: Captured) -> None:
    pattern = endpoint.pattern
    texts = pattern.captured_by_name(captured)
    scope["lihil.path"] = texts
    scope["path_params"] = pattern.converted(texts)
