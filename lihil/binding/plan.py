"""A bound handler, compiled: from a scope's text to the handler's result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lihil.binding.signature import Signature, Target, bind
from lihil.di.compile import Run, Runner, compile_run
from lihil.di.node import DependentNode
from lihil.di.registry import Providers
from lihil.errors import SetupError
from lihil.params.decode import Decoder, decode_all
from lihil.params.sources import Sources

# The places among the outer values; decoded parameters follow.
CONNECTION, SCOPE, FIRST_PARAMETER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Plan:
    """One handler's call, worked out once. `version` is the providers' version it was made for."""

    signature: Signature
    decoders: tuple[Decoder, ...]
    run: Run
    version: int

    def __call__(self, connection: object, sources: Sources) -> Awaitable[Any]:
        """Decode all parameters, build the dependencies, call the handler, close the resources.

        Raises ParametersError before anything is built; what the handler or a dependency raises comes through.
        Gives back SWALLOWED when a resource swallowed the exception.
        """
        return self.run([connection, None, *decode_all(self.decoders, sources)])


def make_plan(
    handler: Callable[..., Any],
    target: Target,
    providers: Providers,
    built: dict[DependentNode, Any],
    *,
    call: Callable[..., Any] | None = None,
    runner: Runner | None = None,
) -> Plan:
    """Bind and compile. `call` is called in the handler's place when it is not the handler itself.

    Raises SetupError with every problem of the handler and of the factories behind it.
    """
    version = providers.version
    signature = bind(handler, target, providers, built)
    if signature.problems:
        raise SetupError(signature.problems)
    run = compile_run(
        call or handler,
        signature.arguments,
        signature.steps,
        runner=runner,
        scope_at=SCOPE if SCOPE in signature.outers_used else None,
        providers=providers,
        built=built,
        given=target.sources,
    )
    return Plan(signature, signature.decoders, run, version)
