import os
import signal
import time

import pytest

from lihil_cli.errors import Terminated
from lihil_cli.wstest import interrupts
from lihil_cli.wstest.interrupts import Interrupts


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def interrupt(*numbers: int, wait_s: float = 0) -> None:
    """Get these signals, none of which is settled, and do something that takes its time."""
    with Interrupts(lambda: None).caught():
        for number in numbers:
            send(number)
        time.sleep(wait_s)


def test_a_ctrl_c_is_told_and_the_next_one_is_new_once_it_is_settled() -> None:
    told: list[int] = []
    watch = Interrupts(lambda: told.append(1))
    with watch.caught():
        send(signal.SIGINT)
        watch.settle()
        send(signal.SIGINT)
        watch.settle()
    assert told == [1, 1]


def test_a_second_ctrl_c_that_nobody_settled_unwinds() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, signal.SIGINT)


def test_a_ctrl_c_that_comes_to_nothing_unwinds_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE_S", 0.05)
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, wait_s=30)


def test_sigterm_unwinds_at_once_and_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Terminated):
        interrupt(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before
