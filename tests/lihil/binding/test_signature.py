"""Which rule decides where a handler's parameter comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pytest
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket as StarletteWebSocket

from lihil import AsyncScope, Graph, Ignore, Lihil, NodeMeta, Param, Resolver, Struct, WebSocket, use
from lihil.errors import ParametersError

Bind = Callable[..., Any]


class Item(Struct):
    name: str


class Database:
    def __init__(self, url: Annotated[str, Param("query", alias="db")] = "memory") -> None:
        self.url = url


@dataclass
class Token:
    text: str


def token_of(token: str) -> Token:
    return Token(token)


def test_a_name_in_the_path_is_a_path_parameter(bound: Bind) -> None:
    async def handler(room: int) -> int:
        return room

    assert bound(handler, path_names=["room"])("room=1", path={"room": "2"}) == 2


def test_a_mark_wins_over_the_path(bound: Bind) -> None:
    async def handler(room: Annotated[int, Param("query")]) -> int:
        return room

    assert bound(handler, path_names=["room"])("room=1", path={"room": "2"}) == 1


def test_a_path_parameter_is_found_by_its_alias(bound: Bind) -> None:
    async def handler(room: Annotated[str, Param("path", alias="id")]) -> str:
        return room

    assert bound(handler, path_names=["id"])(path={"id": "7"}) == "7"


def test_the_framework_gives_what_it_has_at_hand(bound: Bind) -> None:
    async def handler(ws: WebSocket, app: Lihil, graph: Graph, scope: AsyncScope, resolver: Resolver) -> list[Any]:
        return [type(ws), app, graph, type(scope), resolver is scope]

    made = bound(handler)
    assert made() == [WebSocket, made.app, made.graph, AsyncScope, True]


def test_an_apps_own_class_and_graph_are_known_by_all_their_names(bound: Bind) -> None:
    class MyApp(Lihil):
        pass

    class MyGraph(Graph):
        pass

    async def handler(one: Lihil, two: MyApp, three: Graph, four: MyGraph) -> list[Any]:
        return [one, two, three, four]

    app, graph = MyApp(), MyGraph()
    assert bound(handler, app=app, graph=graph)() == [app, app, graph, graph]


def test_a_subclass_of_what_is_at_hand_is_not_taken_for_it(bound: Bind) -> None:
    class Chat(WebSocket):
        pass

    async def handler(chat: Chat) -> None: ...

    (problem,) = bound(handler).problems
    assert "there is no Chat on this kind of route" in problem.what


@pytest.mark.parametrize("kind", [Request, HTTPConnection, StarletteWebSocket])
def test_a_type_of_the_other_protocol_is_refused_with_what_to_write_instead(bound: Bind, kind: type) -> None:
    async def handler(x: Any) -> None: ...

    handler.__annotations__["x"] = kind
    (problem,) = bound(handler).problems
    assert problem.what == f"there is no {kind.__name__} on this kind of route ({kind.__module__}.{kind.__name__})"
    assert problem.fix == "take `ws: WebSocket`"


def test_a_registered_type_is_a_dependency_and_its_parameters_come_from_the_request(bound: Bind) -> None:
    async def handler(db: Database, token: Token) -> tuple[str, str]:
        return db.url, token.text

    assert bound(handler, graph=Graph(Database, token_of))("db=x&token=t") == ("x", "t")


def test_a_structured_type_is_the_body(bound: Bind) -> None:
    async def handler(item: Item) -> Item:
        return item

    assert bound(handler, body=True)(body=b'{"name": "a"}') == Item("a")
    assert [spec.source for spec in bound(handler, body=True).plan().signature.specs] == ["body"]


def test_anything_else_is_a_query_parameter(bound: Bind) -> None:
    async def handler(limit: int = 10, /, *, tags: list[str] | None = None) -> tuple[int, list[str] | None]:
        return limit, tags

    made = bound(handler)
    assert made("limit=5&tags=a&tags=b") == (5, ["a", "b"])
    assert made() == (10, None)
    assert {spec.source for spec in made.plan().signature.specs} == {"query"}


def test_every_bad_parameter_is_told_those_of_factories_as_well(bound: Bind) -> None:
    def session(user: Annotated[int, Param("header")]) -> int:
        return user

    async def handler(
        room: int, session: Annotated[int, use(session)], limit: int, key: Annotated[int, Param("cookie")]
    ) -> None: ...

    with pytest.raises(ParametersError) as caught:
        bound(handler, path_names=["room"])(
            "limit=many", path={"room": "x"}, headers=[(b"user", b"s3cret"), (b"cookie", b"key=s3cret")]
        )
    assert [(issue.location, issue.param) for issue in caught.value.issues] == [
        ("path", "room"),
        ("header", "user"),
        ("query", "limit"),
        ("cookie", "key"),
    ]
    assert "s3cret" not in str(caught.value)


def test_a_parameter_that_two_functions_share_is_read_once(bound: Bind) -> None:
    async def handler(token: str, mine: Annotated[Token, use(token_of)]) -> tuple[str, str]:
        return token, mine.text

    made = bound(handler)
    assert made("token=a") == ("a", "a")
    assert len(made.plan().signature.specs) == 1


def test_a_handler_that_takes_anything_is_refused(bound: Bind) -> None:
    async def handler(*args: int, x, **kwargs: int) -> None: ...  # type: ignore[no-untyped-def]

    problems = bound(handler).problems
    assert [(problem.parameter, problem.function) for problem in problems] == [
        ("args", "handler"),
        ("x", "handler"),
        ("kwargs", "handler"),
    ]
    assert [problem.what for problem in problems] == [
        "*args takes nothing in particular",
        "it has no annotation, so nobody knows what it is",
        "**kwargs takes nothing in particular",
    ]
    assert all(problem.file.endswith("test_signature.py") and problem.line > 0 for problem in problems)


def test_a_factory_may_have_parameters_that_are_not_ours_to_fill(bound: Bind) -> None:
    def make(a=1, *args: int, b: "Callable[[], int]" = lambda: 2, **kwargs: int) -> list[Any]:  # type: ignore[no-untyped-def]
        return [a, args, b(), kwargs]

    async def handler(made: Annotated[list[Any], use(make)]) -> list[Any]:
        return made

    assert bound(handler)("a=5&b=6&args=7") == [1, (), 2, {}]


def test_a_value_that_partial_has_bound_cannot_be_set_from_outside(bound: Bind) -> None:
    async def handler(db: Annotated[Database, use(partial(Database, url="safe"))]) -> str:
        return db.url

    assert bound(handler)("db=evil&url=evil") == "safe"


def test_an_ignored_parameter_gets_the_handlers_value_of_that_name(bound: Bind) -> None:
    def greeting(user: Ignore[Token], ws: Ignore[WebSocket]) -> str:
        return f"hello {user.text} on {type(ws).__name__}"

    async def handler(text: Annotated[str, use(greeting)], user: Annotated[Token, use(token_of)]) -> tuple[str, Token]:
        return text, user

    made = bound(handler, graph=Graph())
    text, user = made("token=bob")
    assert (text, user.text) == ("hello bob on WebSocket", "bob")
    assert [step.node.factory for step in made.plan().signature.steps] == [token_of, greeting]


def test_an_ignored_parameter_is_never_built_by_injection(bound: Bind) -> None:
    def greeting(user: Ignore[str]) -> str:
        return user

    def provided() -> str:
        return "provided"

    async def handler(text: Annotated[str, use(greeting)]) -> str:
        return text

    assert bound(handler, graph=Graph(provided))("user=bob") == "bob"


def test_an_ignored_parameter_of_the_handler_is_read_from_the_request(bound: Bind) -> None:
    async def handler(db: Ignore[str]) -> str:
        return db

    def provided() -> str:
        return "provided"

    assert bound(handler, graph=Graph(provided))("db=x") == "x"


def test_a_mark_without_a_factory_says_only_how_long_a_value_serves(bound: Bind) -> None:
    async def handler(
        one: Annotated[Database, NodeMeta(reuse=True)], two: Annotated[Database, NodeMeta(reuse=True)], three: Database
    ) -> list[bool]:
        return [one is two, two is three]

    assert bound(handler, graph=Graph(Database))() == [True, False]


def test_marks_of_another_library_are_known_by_their_attributes(bound: Bind) -> None:
    class Missing:
        pass

    class Mark:
        def __init__(self, factory: object = Missing, reuse: object = Missing, ignore: object = False) -> None:
            self.factory, self.reuse, self.ignore = factory, reuse, ignore

    missing = Missing()

    def greeting(name: Annotated[str, Mark(missing, missing, True)]) -> str:
        return f"hello {name}"

    def provided() -> str:
        return "provided"

    async def handler(
        name: Annotated[str, Param("query")],
        one: Annotated[str, Mark(greeting, missing)],
        two: Annotated[Token, Annotated[Any, Mark(token_of, True)]],
        three: Annotated[Token, Annotated[Any, Mark(token_of, True)]],
    ) -> list[Any]:
        return [one, two is three]

    assert bound(handler, graph=Graph(provided))("name=bob&token=t") == ["hello bob", True]


def test_positional_only_parameters_keep_their_places(bound: Bind) -> None:
    def make(a: int, b: "type[int]" = int, c: int = 3, /, d: int = 4) -> list[Any]:
        return [a, b, c, d]

    async def handler(made: Annotated[list[Any], use(make)]) -> list[Any]:
        return made

    assert bound(handler)("a=1&c=5") == [1, int, 5, 4]


def test_every_problem_is_told_not_just_the_first(bound: Bind) -> None:
    def needs(db: Database, thing: complex) -> str:
        return f"{db} {thing}"

    async def handler(a, b: Annotated[str, use(needs)], c: Annotated[int, Param("path")], d: Item) -> None: ...  # type: ignore[no-untyped-def]

    problems = bound(handler).problems
    assert [(problem.function, problem.parameter) for problem in problems] == [
        ("handler", "a"),
        ("needs", "db"),
        ("needs", "thing"),
        ("handler", "c"),
        ("handler", "d"),
    ]
    assert all(problem.fix for problem in problems)
