"""What one parameter is."""

from typing import Annotated, Any

import pytest

from lihil import Param
from lihil.params.spec import MISSING, ParamSpec, wire_key


@pytest.mark.parametrize(
    ("source", "mark", "key"),
    [
        ("query", None, "User_Agent"),
        ("cookie", Param(), "User_Agent"),
        ("header", None, "user-agent"),
        ("header", Param(alias="X-Agent"), "x-agent"),
        ("query", Param(alias="X-Agent"), "X-Agent"),
    ],
)
def test_the_name_on_the_wire_is_the_alias_or_made_from_the_name(source: str, mark: Param | None, key: str) -> None:
    assert wire_key("User_Agent", source, mark) == key


@pytest.mark.parametrize(
    ("kind", "decoder", "raw"),
    [
        (bytes, None, True),
        (bytes | None, None, True),
        (Annotated[bytes, {"unhashable": 1}], None, True),
        (dict, None, False),
        (bytes | dict, None, False),
        (dict, dict, True),
    ],
)
def test_bytes_and_a_decoder_take_the_body_as_it_came(kind: Any, decoder: Any, raw: bool) -> None:
    assert ParamSpec(name="x", key="x", source="body", type=kind, decoder=decoder).is_raw_body is raw
    assert not ParamSpec(name="x", key="x", source="query", type=kind, decoder=decoder).is_raw_body


def test_none_is_a_default_like_any_other() -> None:
    assert ParamSpec(name="x", key="x", source="query", type=int).required
    assert not ParamSpec(name="x", key="x", source="query", type=int, default=None).required
    assert repr(MISSING) == "MISSING"
