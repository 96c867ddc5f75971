"""What HTTP and WebSocket routes have in common: a path, a graph, middlewares, and routes below."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar, cast

from lihil.asgi import ASGIApp, Middleware, Receive, Scope, Send
from lihil.binding.signature import Signature
from lihil.di.graph import Graph
from lihil.di.node import DependentNode, name_of
from lihil.di.registry import Providers, Registry
from lihil.errors import SetupError, SetupProblem
from lihil.markers import NodeMeta
from lihil.routing.path import PathPattern, join_paths, normal_path, parse_path

F = TypeVar("F", bound=Callable[..., Any])


class Endpoint(Protocol):
    """A handler made ready for one app. `method` is "" for a WebSocket."""

    kind: str
    method: str
    handler: Callable[..., Any]
    pattern: PathPattern
    middlewares: Sequence[Middleware]

    def prepare(self, built: dict[DependentNode, Any]) -> None:
        """Compile the handler's plan. Raises SetupError with all that is wrong with it."""

    def signature(self) -> Signature:
        """The handler's parameters, for descriptions of the app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an endpoint gets from where its route hangs: its whole path, its providers, and the app's own values."""

    pattern: PathPattern
    providers: Providers
    constants: Mapping[type, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A route at its place in the tree: the whole path, and what it inherits from the routes above."""

    route: "RouteNode"
    path: str
    registries: tuple[Registry, ...]
    middlewares: tuple[Middleware, ...]


class RouteNode:
    """A path with handlers, and routes below it. `lihil.Route` and `lihil.WebSocketRoute` are the two kinds."""

    def __init__(
        self,
        path: str = "",
        *,
        deps: Sequence[Callable[..., Any] | tuple[Callable[..., Any], NodeMeta]] | None = None,
        graph: Graph | None = None,
        middlewares: Sequence[Middleware] | None = None,
    ) -> None:
        parse_path(path)
        self.path: str = normal_path(path)
        self.graph: Graph = Graph() if graph is None else graph
        self.graph.add_nodes(*(deps or ()))
        self.middlewares: list[Middleware] = list(middlewares or ())
        self.children: list[RouteNode] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def sub(self, path: str) -> Self:
        """The route of the same kind at `path` below this one; made when it is new. `route / "x"` means the same."""
        wanted = normal_path(path)
        for child in self.children:
            if child.path == wanted and type(child) is type(self):
                return child
        made = type(self)(path)
        self.children.append(made)
        return made

    def __truediv__(self, path: str) -> Self:
        return self.sub(path)

    def merge(self, *routes: "RouteNode", parent_prefix: str | None = None) -> Self:
        """Hang routes, of either kind, below this one. `parent_prefix` is cut off paths that were written in full.

        Raises TypeError for what is no route; ValueError for a route that would hang below itself, and for one whose
        path does not begin with `parent_prefix`.
        """
        for route in routes:
            if not isinstance(route, RouteNode):
                raise TypeError(f"Route and WebSocketRoute objects are included and merged, not {route!r}")
            if any(mounted.route is self for mounted in route.walk()):
                raise ValueError(f"{self!r} cannot hang below itself")
        self.children += routes if parent_prefix is None else [_Moved(route, parent_prefix) for route in routes]
        return self

    include_subroutes = merge

    def factory(self, function: F, *, reuse: bool = False) -> F:
        """Register a provider for this route and those below; a decorator."""
        return self.graph.node(reuse=reuse)(function)

    def add_nodes(self, *factories: Callable[..., Any] | tuple[Callable[..., Any], NodeMeta]) -> None:
        """Register several providers for this route and those below."""
        self.graph.add_nodes(*factories)

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap this route and those below; the first one added is the outermost."""
        self.middlewares.append(middleware)

    def walk(
        self, prefix: str = "", registries: tuple[Registry, ...] = (), middlewares: tuple[Middleware, ...] = ()
    ) -> Iterator[Mounted]:
        """This route and all below it, each with its whole path; the nearest graph first."""
        here = Mounted(
            self,
            join_paths(prefix, self.path),
            (self.graph.registry, *registries),
            (*middlewares, *self.middlewares),
        )
        yield here
        for child in self.children:
            yield from child.walk(here.path, here.registries, here.middlewares)

    def endpoints(self, around: Surroundings) -> Sequence[Endpoint]:
        """The handlers of this route alone, made ready for one app."""
        return ()


class _Moved(RouteNode):
    """A route whose path was written with its parent's prefix."""

    def __init__(self, route: RouteNode, prefix: str) -> None:
        super().__init__()
        whole, above = route.path, normal_path(prefix)
        if whole != above and not whole.startswith(above.rstrip("/") + "/"):
            raise ValueError(f"{route!r} does not begin with {prefix!r}; merge it without parent_prefix")
        self._route = route
        self._path = whole.removeprefix(above.rstrip("/"))

    def walk(
        self, prefix: str = "", registries: tuple[Registry, ...] = (), middlewares: tuple[Middleware, ...] = ()
    ) -> Iterator[Mounted]:
        whole = self._route.path
        above = join_paths(prefix, self._path)
        for mounted in self._route.walk("", registries, middlewares):
            below = mounted.path.removeprefix(whole if whole != "/" else "")
            yield Mounted(mounted.route, join_paths(above, below), mounted.registries, mounted.middlewares)


def wrap(app: ASGIApp, middlewares: Sequence[Middleware]) -> ASGIApp:
    """The app inside its middlewares, the first one outermost. Raises SetupError with all that give no ASGI app."""
    problems: list[SetupProblem] = []
    for middleware in reversed(middlewares):
        try:
            app = _wrapped(app, middleware)
        except SetupError as exc:
            problems += exc.problems
    if problems:
        raise SetupError(problems[::-1])
    return app


def _wrapped(app: ASGIApp, middleware: Any) -> ASGIApp:
    name = name_of(getattr(middleware, "cls", middleware))
    try:
        if hasattr(middleware, "cls") and hasattr(middleware, "kwargs"):  # starlette.middleware.Middleware
            wrapped = middleware.cls(app, *getattr(middleware, "args", ()), **middleware.kwargs)
        else:
            wrapped = middleware(app)
    except TypeError as exc:
        fix = "a middleware is called with the app alone; give further arguments by functools.partial"
        raise SetupError([SetupProblem(f"the middleware {name} failed: {exc}", fix)]) from exc
    if inspect.iscoroutine(wrapped):
        wrapped.close()
    elif callable(wrapped):
        return cast(ASGIApp, wrapped)
    what = f"the middleware {name} gave {type(wrapped).__name__} where an ASGI app was expected"
    fix = "return the wrapping app: def middleware(app): return Wrapper(app)"
    raise SetupError([SetupProblem(what, fix)])
