"""What is said about a handler whose parameters cannot come over the wire."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lihil import Graph, Param, Struct, use

Bind = Callable[..., Any]


class Item(Struct):
    name: str


class Other(Struct):
    name: str


class Room(Struct):
    room: str
    seat: int


class Engine:
    pass


def test_a_body_on_a_websocket_is_refused_with_three_ways_out(bound: Bind) -> None:
    async def handler(item: Item) -> None: ...

    (problem,) = bound(handler).problems
    assert problem.what == "a WebSocket handshake has no body, and item: Item would be one"
    for way in ('Annotated[Item, Param("query")]', "ws.receive_json()", "use(...)"):
        assert way in problem.fix
    assert (problem.function, problem.parameter) == ("handler", "item")
    assert problem.file.endswith("test_wire.py")


def test_a_body_that_a_factory_needs_is_told_with_the_handler(bound: Bind) -> None:
    def make(item: Item) -> str:
        return item.name

    async def handler(made: Annotated[str, use(make)]) -> None: ...

    (problem,) = bound(handler).problems
    assert (problem.function, problem.parameter) == ("make", "item")
    assert problem.what.endswith("(needed by handler)")


def test_a_factory_keeps_its_default_where_there_is_no_body(bound: Bind) -> None:
    def make(item: Item = Item("default")) -> str:  # noqa: B008 - what is tested
        return item.name

    async def handler(made: Annotated[str, use(make)]) -> str:
        return made

    assert bound(handler)() == "default"


def test_two_bodies_are_refused(bound: Bind) -> None:
    async def handler(item: Item, other: Other) -> None: ...

    (problem,) = bound(handler, body=True).problems
    assert problem.what == "item is the body already; there is only one"
    assert problem.fix == "put item and other as fields into one type"


def test_one_body_may_be_taken_by_two_functions(bound: Bind) -> None:
    def name_of_item(item: Item) -> str:
        return item.name

    async def handler(item: Item, name: Annotated[str, use(name_of_item)]) -> tuple[Item, str]:
        return item, name

    assert bound(handler, body=True)(body=b'{"name": "a"}') == (Item("a"), "a")


@pytest.mark.parametrize(("names", "told"), [((), "none"), (("b", "a"), "a, b")])
def test_a_name_that_the_path_does_not_have_is_refused(bound: Bind, names: tuple[str, ...], told: str) -> None:
    async def handler(room: Annotated[int, Param("path")]) -> None: ...

    (problem,) = bound(handler, path_names=names).problems
    assert problem.what == "the path has no {room}"
    assert problem.fix == f"put {{room}} into the route's path; it has: {told}"


def test_a_path_parameter_cannot_have_a_default(bound: Bind) -> None:
    async def handler(room: int = 1) -> None: ...

    (problem,) = bound(handler, path_names=["room"]).problems
    assert problem.what == "a path parameter cannot have a default"


def test_a_factory_with_a_default_serves_routes_with_and_without_the_path_parameter(bound: Bind) -> None:
    def make(room: str = "lobby") -> str:
        return room

    async def handler(made: Annotated[str, use(make)]) -> str:
        return made

    assert bound(handler, path_names=["room"])(path={"room": "attic"}) == "attic"
    assert bound(handler)() == "lobby"


def test_a_pack_is_read_from_the_path(bound: Bind) -> None:
    async def handler(place: Annotated[Room, Param("path")]) -> Room:
        return place

    assert bound(handler, path_names=["room", "seat"])(path={"room": "a", "seat": "2"}) == Room("a", 2)
    (problem,) = bound(handler, path_names=["room"]).problems
    assert problem.what == "the path has no {seat}"


def test_a_class_that_nothing_provides_is_refused(bound: Bind) -> None:
    async def handler(engine: Engine) -> None: ...

    (problem,) = bound(handler).problems
    assert problem.what == "nothing provides engine: Engine"
    assert problem.fix == "register a provider (graph.node), or write engine: Annotated[Engine, use(make_it)]"


def test_the_way_to_a_missing_provider_is_drawn_from_the_handler_on(bound: Bind) -> None:
    class Store:
        def __init__(self, engine: Engine) -> None: ...

    def service(store: Store) -> str:
        return repr(store)

    async def handler(text: Annotated[str, use(service)]) -> None: ...

    (problem,) = bound(handler, graph=Graph(Store)).problems
    lines = problem.what.splitlines()
    assert lines[0] == "nothing provides engine: Engine"
    assert [line.split("(")[0].strip() for line in lines[1:]] == [
        "handler",
        "└─ service",
        "└─ Store",
        "└─ engine: Engine   <- nothing provides this",
    ]
    assert all("test_wire.py:" in line for line in lines[1:4])


def test_factories_that_need_each_other_are_drawn_as_a_circle(bound: Bind) -> None:
    def first(b: "Annotated[int, use(second)]") -> str:
        return str(b)

    def second(a: Annotated[str, use(first)]) -> int:
        return int(a)

    first.__annotations__["b"] = Annotated[int, use(second)]

    async def handler(text: Annotated[str, use(first)]) -> None: ...

    (problem,) = bound(handler).problems
    lines = [line.split("(")[0].strip() for line in problem.what.splitlines()]
    assert lines == [
        "these factories need each other, so none can be the first:",
        "first",
        "└─ second",
        "└─ first",
    ]
    assert problem.what.endswith("<- again")


def test_an_annotation_that_is_not_defined_is_told_with_its_parameter(bound: Bind) -> None:
    async def handler(a: "Nowhere", b: "Engine.missing", c: "1 +", d) -> None: ...  # type: ignore  # noqa: F821, F722

    problems = bound(handler).problems
    assert [problem.parameter for problem in problems] == ["a", "b", "c", "d"]
    assert problems[0].what == "the annotation 'Nowhere' is not defined"
    assert "'Engine.missing' cannot be read" in problems[1].what
    assert "'1 +' cannot be read" in problems[2].what
    assert all(problem.line == problems[0].line > 0 for problem in problems)


def test_a_type_that_cannot_be_read_where_its_mark_says_is_refused(bound: Bind) -> None:
    async def handler(engine: Annotated[Engine, Param("header")]) -> None: ...

    (problem,) = bound(handler).problems
    assert problem.what == "it cannot be read from the header: text cannot become Engine"
    assert problem.fix == 'take another type, or say how to read it: Annotated[..., Param("header", decoder=read_it)]'


def test_text_annotations_of_types_that_are_defined_in_a_function_work(bound: Bind) -> None:
    class Local:
        def __init__(self, text: str) -> None:
            self.text = text

    def make(text: "str") -> "Local":
        return Local(text)

    async def handler(local: "Local", other: "Annotated[Local, use(make)]") -> tuple[str, str]:
        return local.text, other.text

    assert bound(handler, graph=Graph(make))("text=a") == ("a", "a")
