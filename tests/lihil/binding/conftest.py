"""A handler, bound and called with one request's text, without a route or an app around it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest
from starlette.requests import HTTPConnection

from lihil import Graph, Lihil, Resolver, SetupError, WebSocket
from lihil.asgi import Message
from lihil.binding.plan import CONNECTION, FIRST_PARAMETER, SCOPE, Plan, make_plan
from lihil.binding.signature import Target
from lihil.di.registry import Providers
from lihil.errors import SetupProblem
from lihil.params.sources import Sources

Handler: TypeAlias = Callable[..., Any]


class Bound:
    """A handler on a route of `path_names`, in an app with `graph`."""

    def __init__(
        self,
        handler: Handler,
        *,
        graph: Graph | None = None,
        app: Lihil | None = None,
        path_names: Sequence[str] = (),
        body: bool = False,
    ) -> None:
        self.graph = Graph() if graph is None else graph
        self.app = Lihil() if app is None else app
        self.handler = handler
        self.target = Target(
            path_names=frozenset(path_names),
            given={WebSocket: CONNECTION, Resolver: SCOPE},
            first_outer=FIRST_PARAMETER,
            constants={type(self.app): self.app, Graph: self.graph},
            refused={HTTPConnection: "take `ws: WebSocket`"},
            takes_body=body,
        )

    @property
    def problems(self) -> tuple[SetupProblem, ...]:
        """What is wrong with the handler; there must be something."""
        with pytest.raises(SetupError) as caught:
            self.plan()
        return caught.value.problems

    def __call__(
        self,
        query: str = "",
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        path: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Any:
        """Serve one connection; what the handler returns."""
        scope: dict[str, Any] = {
            "type": "websocket",
            "query_string": query.encode(),
            "headers": headers,
            "lihil.path": path or {},
        }
        sources = Sources(scope, body=body)
        plan = self.plan()

        async def serve() -> Any:
            return await plan(WebSocket(scope, no_receive, no_send), sources)

        return asyncio.run(serve())

    def plan(self) -> Plan:
        """The compiled plan. Raises SetupError."""
        return make_plan(self.handler, self.target, Providers([self.graph.registry]), {})


async def no_receive() -> Message:
    """Nothing ever comes."""
    await asyncio.Event().wait()
    return {}


async def no_send(message: Message) -> None:
    """What is sent is not looked at."""


@pytest.fixture(scope="session")
def bound() -> type[Bound]:
    return Bound
