from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from lihil import Lihil, WebSocket, WebSocketRoute
from lihil.schema.messages import FieldModel, MessageModel, describe_messages
from lihil.schema.model import describe_app


class Say(msgspec.Struct, tag="say"):
    text: str
    loud: bool = False


class Join(msgspec.Struct, tag_field="kind", tag="join", rename="camel"):
    room_name: Literal["red", "blue"]


@dataclass
class Point:
    x: Annotated[int, msgspec.Meta(ge=0)]


class Pair(TypedDict):
    left: list[int]


class Model(pydantic.BaseModel):
    name: str | None = None
    number: int = pydantic.Field(alias="no")


@pytest.mark.parametrize(
    ("kind", "described"),
    [
        (Say, [("Say", "type", "say", [("text", "str", True), ("loud", "bool", False)])]),
        (Join, [("Join", "kind", "join", [("roomName", "one of 'red', 'blue'", True)])]),
        (Point, [("Point", "", "", [("x", "int", True)])]),
        (Pair, [("Pair", "", "", [("left", "list[int]", True)])]),
        (Model, [("Model", "", "", [("name", "str | None", False), ("no", "int", True)])]),
        (
            Point | Pair | None,
            [("Point", "", "", [("x", "int", True)]), ("Pair", "", "", [("left", "list[int]", True)])],
        ),
        (dict[str, int], []),
        (str | bytes, []),
        (list[Say], []),
        (Any, []),
        (None, []),
    ],
)
def test_each_kind_of_message_is_described_with_its_members(kind: Any, described: list[Any]) -> None:
    found = list(describe_messages("receives", kind))
    assert [
        (one.name, one.tag_field, one.tag, [(field.name, field.type, field.required) for field in one.fields])
        for one in found
    ] == described


def test_a_route_is_described_with_the_messages_of_both_directions() -> None:
    route = WebSocketRoute("chat")

    @route.ws_handler
    async def talk(ws: WebSocket[Say, Point]) -> None:
        await ws.accept()

    (described,) = describe_app(Lihil(route)).routes
    assert described.messages == (
        MessageModel(
            "receives", "Say", "type", "say", (FieldModel("text", "str", True), FieldModel("loud", "bool", False))
        ),
        MessageModel("sends", "Point", "", "", (FieldModel("x", "int", True),)),
    )
