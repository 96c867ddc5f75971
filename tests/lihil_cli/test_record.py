import pytest

from lihil_cli.record import Record


class Point(Record):
    """A place on a plane."""

    x: int
    y: int = 0


class Named(Point):
    name: str = ""


class Nothing(Record):
    pass


class Other(Record):
    x: int
    y: int = 0


def test_the_fields_are_given_in_their_order_or_by_name() -> None:
    points = Point(1, 2), Point(1, y=2), Point(y=2, x=1)
    assert {(point.x, point.y) for point in points} == {(1, 2)}


def test_a_value_in_the_class_is_a_default() -> None:
    assert Point(1).y == 0


@pytest.mark.parametrize("values", [(), (1, 2, 3)], ids=["too few", "too many"])
def test_a_wrong_number_of_values_is_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(TypeError):
        Point(*values)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="z"):
        Point(1, z=3)  # type: ignore[call-arg]


def test_a_record_has_the_fields_of_the_one_it_is_made_from() -> None:
    assert Named(1, 2, "here") == Named(x=1, y=2, name="here")


def test_records_are_equal_when_class_and_fields_are() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert len({Point(1), Point(1, 0), Point(2), Other(1)}) == 3


def test_a_record_can_be_taken_apart_by_a_match() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_a_record_shows_its_fields() -> None:
    assert repr(Named(1, name="here")) == "Named(x=1, y=0, name='here')"
    assert repr(Nothing()) == "Nothing()"


def test_a_record_can_be_had_with_other_values() -> None:
    point = Point(1, 2)
    assert (point.but(y=5), point) == (Point(1, 5), Point(1, 2))
    with pytest.raises(TypeError, match="z"):
        point.but(z=1)
