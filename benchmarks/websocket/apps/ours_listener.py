"""Our own lihil with a listener for each message, on the paths of the echo and the JSON workload."""

import msgspec

from lihil import Lihil, WebSocketRoute


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


echo = WebSocketRoute("echo")
js = WebSocketRoute("json")


@echo.listener
def echo_message(message: str) -> str:
    return message


@js.listener
def echo_typed(message: Msg) -> Msg:
    return message


app = Lihil(echo, js)
