"""What a listener's message may be, and what is refused when the app starts."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pydantic
import pytest

from lihil import (
    Graph,
    Ignore,
    Lihil,
    Param,
    SetupError,
    Struct,
    WebSocket,
    WebSocketRoute,
    use,
)
from lihil.schema.model import describe_app
from lihil.vendors import TestClient
from tests.lihil.websocket.lines import Exchange


class Chat(Struct):
    text: str


@dataclass
class Card:
    text: str


def app_with(listener: Callable[..., Any], path: str = "ws", **options: Any) -> Lihil:
    route = WebSocketRoute(path)
    route.listener(**options)(listener)
    return Lihil(route)


class Line(Struct, tag="line"):
    text: str


class Wipe(Struct, tag="wipe"):
    pass


class Note(TypedDict):
    text: str


class Model(pydantic.BaseModel):
    text: str


def echo_text(message: str) -> str:
    return message


def echo_bytes(message: bytes) -> bytes:
    return message


def echo_either(message: str | bytes) -> str | bytes:
    return message


def echo_anything(message: Any):  # type: ignore[no-untyped-def]
    return message


def echo_union(message: Line | Wipe) -> str | Line | Wipe:
    return message if isinstance(message, Line) else "wiped"


def echo_dataclass(message: Card) -> Card:
    return message


def echo_typed_dict(message: Note) -> Note:
    return message


def echo_model(message: Model) -> Model:
    return message


def echo_list(message: list[int]) -> list[int]:
    return message


def echo_limited(message: Annotated[str, Param("body", max_length=3)]) -> str:
    return message


def echo_decoded(message: Annotated[int, Param("body", decoder=int, ge=0)]) -> int:
    return message


def echo_by_another_name(card: Card) -> Card:
    return card


def echo_marked(numbers: Annotated[list[int], Param("body")]) -> list[int]:
    return numbers


@pytest.mark.parametrize(
    ("listener", "said", "heard"),
    [
        (echo_text, "plain", "plain"),
        (echo_text, b"plain", "plain"),
        (echo_bytes, b"\xff", b"\xff"),
        (echo_bytes, "text", b"text"),
        (echo_either, b"\xff", b"\xff"),
        (echo_either, "text", "text"),
        (echo_anything, '"text"', "text"),
        (echo_anything, "[1]", "[1]"),
        (echo_union, '{"type":"line","text":"x"}', '{"type":"line","text":"x"}'),
        (echo_union, '{"type":"wipe"}', '"wiped"'),
        (echo_dataclass, b'{"text":"x"}', '{"text":"x"}'),
        (echo_typed_dict, '{"text":"x"}', '{"text":"x"}'),
        (echo_model, '{"text":"x"}', '{"text":"x"}'),
        (echo_list, "[1,2]", "[1,2]"),
        (echo_limited, "abc", "abc"),
        (echo_decoded, "7", "7"),
        (echo_by_another_name, '{"text":"x"}', '{"text":"x"}'),
        (echo_marked, "[1]", "[1]"),
    ],
)
def test_messages_become_values_of_their_type(
    listener: Callable[..., Any], said: str | bytes, heard: str | bytes
) -> None:
    with Exchange(app_with(listener), "memory").dial() as line:
        line.say(said)
        assert line.hear() == heard


@pytest.mark.parametrize(
    ("listener", "said", "detail"),
    [
        (echo_text, b"\xff", "message: not UTF-8"),
        (echo_union, '{"type":"other"}', "message.type: invalid value 'other'"),
        (echo_model, "{}", "message.text: Field required"),
        (echo_list, "[1,x]", "message: not JSON: JSON is malformed: invalid character (byte 3)"),
        (echo_anything, "[" * 100_000, "message: nested too deeply"),
        (echo_limited, "abcd", "message: expected str of length <= 3"),
        (echo_decoded, "x", "message: invalid literal for int() with base 10: 'x'"),
        (echo_decoded, "-1", "message: expected int >= 0"),
    ],
)
def test_what_is_no_value_of_the_type_is_named(listener: Callable[..., Any], said: str | bytes, detail: str) -> None:
    with Exchange(app_with(listener), "memory").dial() as line:
        line.say(said)
        assert json.loads(line.hear())["detail"] == detail  # type: ignore[arg-type]


def reads_nothing(size: int) -> str:
    return str(size)


def takes_two(one: Chat, two: Card) -> str:
    return "x"


def takes_unknown(message: Graph | object) -> str:
    return "x"


def takes_untagged(message: Line | Chat) -> str:
    return "x"


def lives_longer(message: Ignore[str]) -> Ignore[int]:
    return 1


def outlived(message: str, count: Annotated[int, use(lives_longer, reuse=True)]) -> str:
    return "x"


def types_disagree(message: Chat, ws: WebSocket[Card, Card]) -> None: ...


def bad_return(message: str) -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821


def other_factory(card: Card) -> Ignore[str]:
    return card.text


def factory_disagrees(message: Chat, text: Annotated[str, use(other_factory)]) -> str:
    return text


@pytest.mark.parametrize(
    ("listener", "what"),
    [
        (reads_nothing, "reads_nothing: a listener takes the message, and this none"),
        (takes_two, "takes_two(two): one is the message already; there is only one"),
        (takes_unknown, "takes_unknown(message): it cannot be read from a message: "),
        (takes_untagged, "takes_untagged(message): it cannot be read from a message: "),
        (outlived, "lives_longer: it takes the message of outlived, and is built once for the connection"),
        (types_disagree, "types_disagree(ws): the message is Chat, and Card here"),
        (bad_return, "bad_return(return): the annotation 'Nowhere' is not defined"),
        (factory_disagrees, "other_factory(card): message is the message already; there is only one"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start_with_its_name_and_a_fix(
    listener: Callable[..., Any], what: str
) -> None:
    with pytest.raises(SetupError) as refused, TestClient(app_with(listener)):
        pass
    assert what in str(refused.value)
    assert "fix: " in str(refused.value)


def test_a_generator_is_no_listener() -> None:
    async def several(message: str) -> AsyncIterator[str]:
        yield message

    with pytest.raises(SetupError, match="a listener is no generator"):
        WebSocketRoute("ws").listener(several)


def test_a_route_has_one_handler_or_one_listener() -> None:
    route = WebSocketRoute("ws")
    route.listener(echo_text)
    with pytest.raises(SetupError, match="has a handler already: echo_text"):
        route.listener(echo_bytes)


def test_a_description_says_what_comes_in_and_what_goes_out() -> None:
    async def typed(ws: WebSocket[Line | Wipe, Chat]) -> None: ...

    async def untyped(ws: WebSocket) -> None: ...

    listened, told, silent = (WebSocketRoute(path) for path in ("a", "b", "c"))
    listened.listener(echo_union)
    told.listener(types_agree)
    silent.listener(says_nothing)
    plain, raw, broken = (WebSocketRoute(path) for path in ("d", "e", "f"))
    plain.ws_handler(typed)
    raw.ws_handler(untyped)
    broken.listener(reads_nothing)
    app = Lihil(listened, told, silent, plain, raw, broken)
    assert [(route.receives, route.sends) for route in describe_app(app).routes] == [
        ("Line | Wipe", "str | Line | Wipe"),
        ("Chat", "Chat | Card"),
        ("Chat", ""),
        ("Line | Wipe", "Chat"),
        ("", ""),
        ("", ""),
    ]


def types_agree(message: Chat, ws: WebSocket[Chat, Card]) -> Chat | None: ...


def says_nothing(message: Chat) -> None: ...
