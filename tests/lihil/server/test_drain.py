import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.server.drain import BATCH_S, MAX_RATE, drain_within, hurry, plan_batches

SECONDS = st.floats(0, 3600)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(SECONDS)
def test_the_bounds_of_an_end_come_in_order_and_the_last_is_the_one_that_was_given(bound_s: float) -> None:
    drain = drain_within(bound_s)
    assert 0 <= drain.spread_s <= drain.cancel_s <= drain.abandon_s <= drain.end_s == bound_s


@given(SECONDS)
def test_a_hurried_end_is_over_within_a_second_but_for_the_lifespan(bound_s: float) -> None:
    drain = hurry(drain_within(bound_s))
    assert 0 == drain.spread_s <= drain.cancel_s <= drain.abandon_s <= 0.5
    assert drain.end_s >= bound_s
    assert hurry(drain) == drain


@given(st.integers(0, 5000), SECONDS, CHANCES)
def test_everyone_is_told_once_and_in_time(count: int, spread_s: float, chance: float) -> None:
    batches = plan_batches(count, spread_s, lambda: chance)
    assert sum(size for _, size in batches) == count
    times = [at_s for at_s, _ in batches]
    assert times == sorted(times)
    assert all(0 <= at_s <= spread_s for at_s in times)


@given(st.integers(1, 5000))
def test_with_time_enough_no_moment_sends_a_crowd_away(count: int) -> None:
    largest = max(size for _, size in plan_batches(count, 3600, lambda: 0.5))
    assert largest <= MAX_RATE * BATCH_S + 1


def test_in_a_hurry_all_are_told_at_once() -> None:
    assert plan_batches(1000, 0, lambda: 0.9) == [(0, 1000)]


def test_chance_moves_each_batch_within_its_own_slice_of_the_time() -> None:
    early, late = (plan_batches(100, 10, lambda chance=chance: chance) for chance in (0.0, 0.99))  # type: ignore[misc]
    assert [at_s for at_s, _ in early] == pytest.approx([0.05 * index for index in range(10)])
    assert all(0 < second[0] - first[0] < 0.05 for first, second in zip(early, late, strict=True))
