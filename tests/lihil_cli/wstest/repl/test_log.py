import errno

import pytest

from lihil_cli.wstest.repl.log import Log, Step


def test_messages_are_kept_and_those_that_arrive_are_numbered() -> None:
    log = Log()
    first = log.keep("recv", "ws", "мир", 1.0)
    sent = log.keep("send", "ws", b"\x00\xff", 2.0)
    second = log.keep("recv", "ws", "", 3.0)
    assert [(step.number, step.size) for step in (first, sent, second)] == [(1, 6), (0, 2), (2, 0)]
    assert [log.payload(step) for step in log.steps()] == ["мир", b"\x00\xff", ""]
    assert log.find(2) == second
    assert log.find(3) is None
    assert (log.last, log.received) == (second, 2)
    log.close()
    assert log.payload(first) is None


def test_a_large_message_comes_back_as_it_was() -> None:
    log = Log(memory=1000)
    texts = ["é" * 1_500_000, "x" * 10, "👍" * 1_000_000]
    steps = [log.keep("recv", "ws", text, 0.0) for text in texts]
    assert [log.payload(step) for step in steps] == texts
    log.close()


def test_of_what_has_become_too_much_the_oldest_is_forgotten() -> None:
    log = Log(memory=100, file_bytes=100)
    steps = [log.keep("recv", "ws", f"{number:50}", 0.0) for number in range(10)]
    kept = [log.payload(step) is not None for step in steps]
    assert kept == [False] * 6 + [True] * 4
    assert log.payload(steps[-1]) == f"{9:50}"
    log.close()


def test_of_too_many_steps_the_oldest_are_forgotten_and_counted() -> None:
    log = Log(steps=3)
    for number in range(5):
        log.note(Step("close", "ws", float(number)))
    assert [step.at for step in log.steps()] == [2.0, 3.0, 4.0]
    assert log.forgotten == 2
    assert log.last is None


def test_a_full_disk_costs_the_content_and_nothing_else() -> None:
    class FullDisk:
        def seek(self, place: int) -> None: ...

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None: ...

    log = Log()
    before = log.keep("recv", "ws", "before", 0.0)
    log._files[before.file].close()
    log._files[before.file] = FullDisk()  # type: ignore[assignment]
    step = log.keep("recv", "ws", "hello", 0.0)
    assert step.number == 2
    assert log.payload(step) is None
    log.close()


def test_a_file_that_cannot_be_read_any_longer_is_told_by_none() -> None:
    class Unreadable:
        def seek(self, place: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        def close(self) -> None: ...

    log = Log()
    step = log.keep("recv", "ws", "hello", 0.0)
    log._files[step.file].close()
    log._files[step.file] = Unreadable()  # type: ignore[assignment]
    assert log.payload(step) is None
    log.close()


@pytest.mark.parametrize("payload", ["", b"", "a", b"a"])
def test_text_and_bytes_are_told_apart(payload: str | bytes) -> None:
    log = Log()
    assert log.payload(log.keep("send", "ws", payload, 0.0)) == payload
    log.close()
