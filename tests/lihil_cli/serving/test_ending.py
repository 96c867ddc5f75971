import signal
import threading
from collections.abc import Iterator

import pytest

from lihil_cli.errors import ExitCode
from lihil_cli.serving.ending import SIGNALS, Orders, code_after, heed_signals, interrupts_held, release_interrupts
from lihil_cli.serving.orders import Order


@pytest.fixture
def taken() -> Iterator[list[tuple[Order, ExitCode]]]:
    """What comes of signals, with SIGHUP ignored as under nohup; their handlers are given back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    found: list[tuple[Order, ExitCode]] = []
    orders = Orders()
    orders.hand_to(lambda order, code: found.append((order, code)))
    heed_signals(orders)
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_hurries_and_sigterm_stops(taken: list[tuple[Order, ExitCode]]) -> None:
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert taken == [(Order.HURRY, ExitCode.OK), (Order.STOP, ExitCode.TERMINATED)]


def test_what_was_ignored_stays_so(taken: list[tuple[Order, ExitCode]]) -> None:
    signal.raise_signal(signal.SIGHUP)
    assert taken == []


def test_a_held_interrupt_comes_once_it_is_let_through(taken: list[tuple[Order, ExitCode]]) -> None:
    with interrupts_held():
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert taken == []
        release_interrupts()
        assert taken == [(Order.HURRY, ExitCode.OK)]


def test_the_exit_code_says_whether_a_person_has_ended_it() -> None:
    assert code_after(signal.SIGINT) == 0
    assert code_after(signal.SIGTERM) == 143
