from lihil_cli.production.pulse import LOOKS, Pulse, first_pulse


def pulse() -> Pulse:
    found = first_pulse(20.0, now=100.0)
    assert found is not None
    return found


def test_with_a_bound_of_0_nobody_looks() -> None:
    assert first_pulse(0, now=100.0) is None


def test_looks_come_in_even_parts_of_the_bound() -> None:
    watched = pulse()
    assert watched.due == 105.0
    assert watched.take_look(105.5)
    assert watched.due == 110.5


def test_several_looks_in_a_row_have_to_be_missed() -> None:
    watched = pulse()
    assert [watched.take_look(0) for _ in range(LOOKS + 1)] == [True] * LOOKS + [False]


def test_an_answer_makes_up_for_all_that_was_missed() -> None:
    watched = pulse()
    for _ in range(LOOKS):
        watched.take_look(0)
    watched.place = "main.py:1, in block"
    watched.hear()
    assert watched.place == ""
    assert [watched.take_look(0) for _ in range(LOOKS + 1)] == [True] * LOOKS + [False]


def test_however_long_a_machine_has_slept_is_one_look() -> None:
    watched = pulse()
    watched.take_look(105.0)
    assert watched.take_look(1e9)
    assert watched.due == 1e9 + 5
