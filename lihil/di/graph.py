"""`Graph`: where a user says which factory gives which type."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from lihil.di.node import DependentNode, problem_at
from lihil.di.registry import Constant, Providers, Registry
from lihil.di.scope import AsyncScope, Resolver
from lihil.errors import ResourceError, SetupError
from lihil.markers import NodeMeta
from lihil.params.spec import MISSING

F = TypeVar("F", bound=Callable[..., Any])


class Graph(Resolver):
    """Providers by type. An app has one, and a route may have its own: a route's is asked first."""

    def __init__(self, *factories: Callable[..., Any]) -> None:
        self.registry: Registry = Registry()
        self.add_nodes(*factories)

    @property
    def nodes(self) -> Mapping[Any, DependentNode]:
        """The registered providers by the type they provide."""
        return dict(self.registry.nodes)

    def __contains__(self, kind: object) -> bool:
        return kind in self.registry.nodes or kind in self.registry.values

    @overload
    def node(self, factory: F, /) -> F: ...
    @overload
    def node(self, factory: None = ..., /, *, reuse: bool = ...) -> Callable[[F], F]: ...
    def node(self, factory: F | None = None, /, *, reuse: bool = False) -> F | Callable[[F], F]:
        """Register a factory as the provider of its return type; a decorator with and without arguments.

        Raises SetupError when the return type is missing or marked `Ignore`.
        """
        if factory is None:
            return lambda function: self._register(function, DependentNode.of(function, reuse=reuse))
        return self._register(factory, DependentNode.of(factory, reuse=reuse))

    def singleton(self, factory: F) -> F:
        """Register a factory that is called once, when the app starts; a resource is closed when the app stops."""
        return self._register(factory, DependentNode.of(factory, reuse=True, singleton=True))

    def add_nodes(self, *factories: Callable[..., Any] | tuple[Callable[..., Any], NodeMeta]) -> None:
        """Register several factories, each alone or as a pair with its `NodeMeta`."""
        for item in factories:
            factory, meta = item if isinstance(item, tuple) else (item, NodeMeta())
            self._register(factory, DependentNode.of(factory, reuse=meta.reuse))

    def register_singleton(self, value: object, kind: Any = None) -> None:
        """Let `value` stand for its type, or for `kind`. It stays the caller's: nothing here closes it."""
        self.registry.values[kind or type(value)] = Constant(value)
        self.registry.version += 1

    def remove(self, kind: Any) -> None:
        """Forget the provider of `kind`. Raises KeyError when there is none."""
        if kind not in self:
            raise KeyError(kind)
        self.registry.nodes.pop(kind, None)
        self.registry.values.pop(kind, None)
        self.registry.version += 1

    def merge(self, *others: "Graph") -> None:
        """Take over the providers of other graphs; on a clash the later one wins."""
        for other in others:
            self.registry.nodes |= other.registry.nodes
            self.registry.values |= other.registry.values
        self.registry.version += 1

    @contextmanager
    def override(
        self, old: Any, new: Callable[..., Any] | None = None, /, *, value: object = MISSING
    ) -> Iterator[None]:
        """For a test: put the factory `new`, or the finished `value`, in the place of a type or a factory.

        `with app.graph.override(open_database, fake_database): ...` reaches parameters marked `use(open_database)` too.
        Raises TypeError unless exactly one of `new` and `value` is given.
        """
        if (new is None) == (value is MISSING):
            raise TypeError("override() takes either a factory or value=...")
        registry = self.registry
        before = registry.overrides.get(old)
        registry.overrides[old] = DependentNode.of(new) if new is not None else Constant(value)
        registry.version += 1
        try:
            yield
        finally:
            if before is None:
                del registry.overrides[old]
            else:
                registry.overrides[old] = before
            registry.version += 1

    def ascope(self) -> AsyncScope:
        """A scope over this graph alone: `async with graph.ascope() as scope: ...`."""
        return AsyncScope(Providers([self.registry]), at_hand={Graph: self})

    async def _resolved(self, wanted: Callable[..., Any]) -> Any:
        """A value that needs no closing. Raises ResourceError where a resource is needed."""
        scope = self.ascope()
        if any(step.node.kind.is_resource for step in scope.recipe_of(wanted)[0]):
            raise ResourceError("a resource needs a scope that closes it: async with graph.ascope() as scope")
        async with scope:
            return await scope.aresolve(wanted)

    def _register(self, factory: F, node: DependentNode) -> F:
        if node.provides is None or node.provides is type(None):
            fix = "give it a return type, or reach it with use(...) only"
            raise SetupError([problem_at(factory, "its return type does not say what it provides", fix)])
        self.registry.nodes[node.provides] = node
        self.registry.version += 1
        return factory
