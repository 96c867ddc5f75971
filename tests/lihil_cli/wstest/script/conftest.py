"""A chat server on a socket, and one call of the suite with a page of its own."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.wstest.network.target import resolve_target
from lihil_cli.wstest.script.files import load_files
from lihil_cli.wstest.script.servers import over_sockets
from lihil_cli.wstest.script.suite import Options, run_scripts
from tests.lihil_cli.wstest.conftest import Servers


@dataclass(frozen=True)
class Told:
    """How a run ended, and the lines that it printed."""

    code: int
    lines: list[str]


Play = Callable[..., Told]


class Chat:
    """A room: everyone hears what one says, and who left."""

    def __init__(self) -> None:
        self.count = 0
        self.members: dict[int, ServerConnection] = {}

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.count += 1
        number = self.count
        self.members[number] = socket
        await socket.send(json.dumps({"type": "welcome", "id": number, "user": query["user"][0]}))
        try:
            await self.listen(number, socket)
        finally:
            del self.members[number]
            await self.tell({"type": "left", "from": number})

    async def listen(self, number: int, socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.close(1003, "text only")
            elif message == "ping":
                await socket.send("pong")
            elif message == "crash":
                raise RuntimeError("a handler that breaks")
            else:
                await self.tell({"type": "said", "from": number, "text": json.loads(message)["text"]})

    async def tell(self, message: dict[str, Any]) -> None:
        for member in list(self.members.values()):
            await member.send(json.dumps(message, separators=(",", ":")))

    @staticmethod
    def check(socket: ServerConnection, request: Request) -> Response | None:
        if not request.path.startswith("/chat"):
            return socket.respond(404, "no such path")
        return socket.respond(422, '{"detail": "user is empty"}') if request.path.endswith("user=") else None


@pytest.fixture
def chat_port(servers: Servers) -> int:
    chat = Chat()
    return servers.websocket(chat.serve, process_request=chat.check)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run scripts, each given as its text, against the server at `port`."""

    def run(port: int, *texts: str, options: Options | None = None, encoding: str = "utf-8") -> Told:
        given = options or Options(environ={})
        names = []
        for number, text in enumerate(texts, 1):
            path = tmp_path / f"{number}.wst"
            path.write_text(text)
            names.append(str(path))
        page = io.BytesIO()
        stdout = io.TextIOWrapper(page, encoding=encoding)
        server = over_sockets(lambda address: resolve_target(address, None, base=None, port=port))
        code = run_scripts(load_files(names, given.environ), server, given, stdout)
        stdout.flush()
        told = page.getvalue().decode(encoding).replace(f"{tmp_path}/", "")
        return Told(code, told.splitlines())

    return run
