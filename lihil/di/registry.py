"""The tables behind a graph, and the view of several graphs as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
        self._marked: dict[tuple[Any, bool], DependentNode] = {}

    @property
    def version(self) -> int:
        """Grows with every change of any registry: plans made for an older version are made anew."""
        return sum(registry.version for registry in self._registries)

    def find(self, kind: Any) -> DependentNode | Constant | None:
        """The provider of a type, None when no registry knows it."""
        try:
            hash(kind)
        except TypeError:
            return None
        for registry in self._registries:
            found = registry.values.get(kind) or registry.nodes.get(kind) or registry.overrides.get(kind)
            if found is not None:
                return self.effective(found, kind)
        return None

    def marked(self, meta: NodeMeta) -> DependentNode | Constant:
        """The provider behind `use(factory)`. A class that a graph provides in another way is built in that way."""
        registered = self.find(meta.factory)
        if registered is not None:
            return registered
        key = (meta.factory, meta.reuse)
        if key not in self._marked:
            assert meta.factory is not None  # noqa: S101 - callers come here only with a factory
            self._marked[key] = DependentNode.of(meta.factory, reuse=meta.reuse)
        node = self._marked[key]
        return self.effective(node, node.factory)

    def effective(self, found: DependentNode | Constant, kind: Any) -> DependentNode | Constant:
        """What a test put in the place of a provider, looked up by type and by factory; else the provider itself."""
        keys = [kind]
        if isinstance(found, DependentNode):
            keys += [found.factory, found.provides]
        for registry in self._registries:
            for key in keys:
                if key is not None and key in registry.overrides:
                    return registry.overrides[key]
        return found

    def singletons(self) -> list[DependentNode]:
        """The providers that live as long as the app, in order of registration."""
        return [node for registry in self._registries for node in registry.nodes.values() if node.singleton]
