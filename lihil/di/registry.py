"""The tables behind a graph, and the view of several graphs as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lihil.di.node import DependentNode
from lihil.markers import NodeMeta


@dataclass(frozen=True, slots=True)
class Constant:
    """A finished value that stands for a type or a factory."""

    value: Any


@dataclass(slots=True, eq=False)
class Registry:
    """Providers and values by type, overrides by type or factory. `version` grows with every change."""

    nodes: dict[Any, DependentNode] = field(default_factory=dict)
    values: dict[Any, Constant] = field(default_factory=dict)
    overrides: dict[Any, DependentNode | Constant] = field(default_factory=dict)
    version: int = 0


class Providers:
    """Several registries seen as one: the first that knows a type answers, a test's override before anything else."""

    def __init__(self, registries: Sequence[Registry]) -> None:
        self._registries = tuple({id(registry): registry for registry in registries}.values())
        self._marked: dict[Any, DependentNode] = {}
        self._shared: dict[DependentNode, DependentNode] = {}

    @property
    def version(self) -> int:
        """Grows with every change of any registry: plans made for an older version are made anew."""
        version = 0  # asked for by each connection: sum() over a generator takes three times as long
        for registry in self._registries:
            version += registry.version
        return version

    def find(self, kind: Any) -> DependentNode | Constant | None:
        """The provider of a type, None when no registry knows it."""
        if not is_hashable(kind):
            return None
        for registry in self._registries:
            found = registry.values.get(kind) or registry.nodes.get(kind)
            if found is not None:
                return self._effective(found, kind)
        return next((made for registry in self._registries if (made := registry.overrides.get(kind))), None)

    def marked(self, meta: NodeMeta) -> DependentNode | Constant:
        """The provider behind `use(factory)`. One that a graph knows, as a type or as a factory, is that provider."""
        factory = meta.factory
        assert factory is not None  # noqa: S101 - callers come here only with a factory
        registered = self._registered(factory)
        found = self.find(factory) if registered is None else self._effective(registered, factory)
        if found is None:
            found = self._effective(self._unregistered(factory), factory)
        return self.shared(found) if meta.reuse else found

    def singletons(self) -> list[DependentNode]:
        """The providers that live as long as the app, in order of registration."""
        return [node for registry in self._registries for node in registry.nodes.values() if node.singleton]

    def _registered(self, factory: Callable[..., Any]) -> DependentNode | None:
        nodes = (node for registry in self._registries for node in registry.nodes.values())
        return next((node for node in nodes if node.factory == factory), None)

    def _unregistered(self, factory: Callable[..., Any]) -> DependentNode:
        key = (
            factory if is_hashable(factory) else id(factory)
        )  # the node keeps the factory alive, so its id stays its own
        if key not in self._marked:
            self._marked[key] = DependentNode.of(factory)
        return self._marked[key]

    def _effective(self, found: DependentNode | Constant, kind: Any) -> DependentNode | Constant:
        """What a test put in the place of a provider, looked up by type and by factory; else the provider itself."""
        node = found if isinstance(found, DependentNode) else None
        keys = [kind] if node is None else [kind, node.factory, node.provides]
        for registry in self._registries:
            for key in filter(is_hashable, keys):
                if key in registry.overrides:
                    override = registry.overrides[key]
                    return self.shared(override) if node is not None and node.reuse else override
        return found

    def shared(self, provider: DependentNode | Constant) -> DependentNode | Constant:
        """The same provider with one value for the whole connection."""
        if isinstance(provider, Constant) or provider.reuse:
            return provider
        if provider not in self._shared:
            self._shared[provider] = replace(provider, reuse=True)
        return self._shared[provider]


def is_hashable(value: object) -> bool:
    """Whether a value can be a key: an object with `__eq__` alone cannot."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
