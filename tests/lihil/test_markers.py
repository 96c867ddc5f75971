"""What users write in annotations."""

from collections.abc import AsyncGenerator, Generator
from typing import Annotated, Any, get_args

import pytest

from lihil import AsyncResource, Ignore, NodeMeta, Param, Resource, use


def make() -> int:
    return 1


def test_use_marks_a_factory_and_how_long_its_value_serves() -> None:
    assert use(make) == NodeMeta(factory=make, reuse=False, ignore=False)
    assert use(make, reuse=True).reuse


@pytest.mark.parametrize("made", [make(), None, "make"])
def test_use_refuses_what_cannot_be_called(made: Any) -> None:
    with pytest.raises(TypeError, match=r"write use\(make_it\), without a call"):
        use(made)


def test_ignore_and_the_resources_are_plain_annotations() -> None:
    assert get_args(Ignore[int]) == (int, NodeMeta(ignore=True))
    assert AsyncResource[int] == AsyncGenerator[int, None]
    assert Resource[int] == Generator[int, None, None]


@pytest.mark.parametrize("source", ["form", "", "Query", 5, int])
def test_param_refuses_a_source_that_there_is_not(source: Any) -> None:
    with pytest.raises(ValueError, match="Param takes one of path, query, header, cookie, body as its source, not"):
        Param(source)


def test_a_later_mark_adds_to_an_earlier_one_and_wins_where_both_speak() -> None:
    first = Param("query", alias="a", ge=1, le=5, title="one")
    merged = first.merged_with([Param(alias="b", le=9, description="two"), Param("header", decoder=int, examples=[1])])
    assert (merged.source, merged.alias, merged.title, merged.description) == ("header", "b", "one", "two")
    assert (merged.constraints.ge, merged.constraints.le, merged.decoder, merged.examples) == (1, 9, int, [1])
    assert (first.alias, first.constraints.le, first.decoder) == ("a", 5, None)


def test_a_limit_of_zero_or_false_is_a_limit() -> None:
    merged = Param(ge=5, tz=True, min_length=3).merged_with([Param(ge=0, tz=False, min_length=0)])
    assert (merged.constraints.ge, merged.constraints.tz, merged.constraints.min_length) == (0, False, 0)


def test_marks_are_kept_by_annotated() -> None:
    mark = Param("query")
    assert Annotated[int, mark].__metadata__ == (mark,)  # type: ignore[attr-defined]
