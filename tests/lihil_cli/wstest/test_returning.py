import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.returning import FIRST_WAIT_S, LONGEST_WAIT_S, NEAR_WAIT_S, Returns

LOST = Closed(1006, by="nobody")


def opened() -> Returns:
    returns = Returns()
    assert returns.open(0.0) == ""
    return returns


@pytest.mark.parametrize(
    ("event", "comes_back"),
    [
        (LOST, True),
        (Closed(1001), True),
        (Closed(1012, "reload"), True),
        (Closed(1013), True),
        (Closed(1000), False),
        (Closed(1011), False),
        (Closed(4001), False),
        (Closed(1001, by="client"), False),
    ],
)
def test_a_server_that_goes_away_may_come_back_and_one_that_closes_does_not(event: Closed, comes_back: bool) -> None:
    assert opened().lose(event, 1.0) is comes_back


def test_the_wait_doubles_and_begins_anew_after_a_steady_connection() -> None:
    returns, now, waits = opened(), 0.5, []
    for _ in range(7):
        assert returns.lose(LOST, now)
        waits.append(round(returns.retry_at - now, 3))
        now = returns.retry_at
        assert returns.open(now) == f"connected again after {waits[-1]:.1f} s"
    assert waits == [FIRST_WAIT_S, 0.2, 0.4, 0.8, 1.6, LONGEST_WAIT_S, LONGEST_WAIT_S]
    returns.lose(LOST, now + 1.0)
    assert returns.retry_at == now + 1.0 + FIRST_WAIT_S


def test_a_server_of_this_machine_is_not_waited_for_as_long() -> None:
    returns = opened()
    for _ in range(5):
        assert returns.miss(0.0, is_absent=True, is_near=True)
    assert returns.retry_at == NEAR_WAIT_S


def test_who_has_never_been_there_is_waited_for_where_nothing_listens() -> None:
    assert Returns().miss(0.0, is_absent=True, is_near=False)
    assert not Returns().miss(0.0, is_absent=False, is_near=False)
    assert opened().miss(0.0, is_absent=False, is_near=False)


def test_that_a_server_is_waited_for_is_news_once_and_none_for_who_saw_it_go() -> None:
    returns = Returns()
    assert [returns.is_news(), returns.is_news()] == [True, False]
    assert not opened().is_news()
