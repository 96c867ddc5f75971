"""From a callable to the ordered list of factory calls that feed it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from lihil.di.explain import draw_cycle, draw_path
from lihil.di.node import DependentNode, Parameter, bare_type, parameters_of, problem_at
from lihil.di.registry import Constant, Providers
from lihil.errors import SetupError, SetupProblem
from lihil.params.kinds import type_words


@dataclass(frozen=True, slots=True)
class Slot:
    """The value made by step number `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Outer:
    """The value that the caller hands in at place `index`."""

    index: int


Source: TypeAlias = Constant | Slot | Outer
Argument: TypeAlias = tuple[str | None, Source]  # None: passed by position


@dataclass(frozen=True, slots=True)
class Step:
    """One factory call; its value is `Slot` of the same number."""

    node: DependentNode
    arguments: tuple[Argument, ...]


Supply: TypeAlias = Callable[[Parameter, Callable[..., Any]], Source | None]
"""Says where a parameter's value comes from; None leaves it out of the call. Raises SetupError."""


class RecipeBuilder:
    """Collects steps in the order in which they must run, and every problem met on the way."""

    def __init__(self, providers: Providers, built: Mapping[DependentNode, Any]) -> None:
        self.providers = providers
        self.steps: list[Step] = []
        self.problems: list[SetupProblem] = []
        self.path: list[Callable[..., Any]] = []
        self._built = built
        self._reused: dict[DependentNode, Slot] = {}

    def arguments_of(self, function: Callable[..., Any], supply: Supply) -> tuple[Argument, ...]:
        """Where each argument of `function` comes from. Problems are collected, so that all are found in one go."""
        self.path.append(function)
        arguments: list[Argument] = []
        for parameter in parameters_of(function):
            arguments += self._argument(parameter, function, supply)
        self.path.pop()
        return tuple(arguments)

    def _argument(self, parameter: Parameter, function: Callable[..., Any], supply: Supply) -> Sequence[Argument]:
        if parameter.problem is not None:
            self.problems.append(parameter.problem)
            return ()
        try:
            source = supply(parameter, function)
        except SetupError as exc:
            self.problems += exc.problems
            return ()
        if source is None and not parameter.by_position:
            return ()
        if source is None:  # left out, it would shift those after it
            source = Constant(parameter.default)
        return ((None if parameter.by_position else parameter.name, source),)

    def need(self, node: DependentNode | Constant, supply: Supply) -> Source:
        """The source of a provider's value, with the steps that lead to it. Raises SetupError on a cycle."""
        if isinstance(node, Constant):
            return node
        if node in self._built:
            return Constant(self._built[node])
        if node.reuse and node in self._reused:
            return self._reused[node]
        if node.call in self.path:
            circle = [*self.path[self.path.index(node.call) :], node.call]
            what = f"these factories need each other, so none can be the first:\n{draw_cycle(circle)}"
            raise SetupError([problem_at(node.factory, what, "let one of them take what both need as a parameter")])
        self.steps.append(Step(node, self.arguments_of(node.call, supply)))
        return self._placed(node)

    def _placed(self, node: DependentNode) -> Slot:
        slot = Slot(len(self.steps) - 1)
        if node.reuse:
            self._reused[node] = slot
        return slot

    def missing(self, parameter: Parameter, function: Callable[..., Any]) -> SetupError:
        """The error for a parameter that nothing provides, with the path that led to it."""
        words = type_words(bare_type(parameter.annotation))
        what = f"nothing provides {parameter.name}: {words}"
        if len(self.path) > 1:
            what += f"\n{draw_path(self.path, parameter.name, words)}"
        fix = f"register a provider (graph.node), or write {parameter.name}: Annotated[{words}, use(make_it)]"
        return SetupError([problem_at(function, what, fix, parameter=parameter.name)])
