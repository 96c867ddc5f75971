from collections.abc import Iterator

import pytest

from lihil_cli.wstest.repl.events import Item, Message, Note, Payload
from lihil_cli.wstest.repl.flow import WINDOW_S, Flow
from lihil_cli.wstest.repl.log import Log


class Stream:
    """Messages into a flow, one after the other."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.log = Log()
        self.now = 0.0

    def arrive(self, payload: Payload, after: float = 1.0, peer: str = "") -> list[str]:
        self.now += after
        self.tick()
        step = self.log.keep("recv", peer, payload, self.now)
        return texts(self.flow.arrive(step, payload, None, peer, self.now))

    def tick(self, after: float = 0.0) -> list[str]:
        self.now += after
        return texts(self.flow.tick(self.now))


def texts(items: list[Item]) -> list[str]:
    shown = []
    for item in items:
        assert isinstance(item, Message | Note)
        shown.append(f"#{item.number} {item.payload!r}" if isinstance(item, Message) else item.text)
    return shown


@pytest.fixture
def stream() -> Iterator[Stream]:
    one = Stream()
    yield one
    one.log.close()


def test_messages_are_shown_as_they_arrive(stream: Stream) -> None:
    assert [stream.arrive("a"), stream.arrive(b"b")] == [["#1 'a'"], ["#2 b'b'"]]
    assert stream.flow.live == ""


def test_the_same_message_again_is_only_counted(stream: Stream) -> None:
    assert stream.arrive("tick") == ["#1 'tick'"]
    for number in range(2, 38):
        assert stream.arrive("tick") == []
        assert stream.flow.live == f"×{number} · #1 to #{number} are the same"
    assert stream.arrive("tock") == ["×37 · #1 to #37 are the same", "#38 'tock'"]
    assert stream.flow.live == ""
    assert stream.arrive("tick") == ["#39 'tick'"]


def test_a_repeat_is_the_same_kind_from_the_same_connection(stream: Stream) -> None:
    assert stream.arrive("a") == ["#1 'a'"]
    assert stream.arrive(b"a") == ["#2 b'a'"]
    assert stream.arrive("a", peer="bob") == ["#3 'a'"]


def test_what_stands_between_ends_the_repeats(stream: Stream) -> None:
    stream.arrive("a")
    assert stream.flow.settle() == []
    assert stream.arrive("a") == ["#2 'a'"]
    stream.arrive("a")
    assert texts(stream.flow.finish()) == ["×2 · #2 to #3 are the same"]


def test_large_messages_are_not_compared(stream: Stream) -> None:
    large = "x" * 100_000
    assert len(stream.arrive(large)) == 1
    assert len(stream.arrive(large)) == 1


def test_a_filter_hides_what_does_not_match(stream: Stream) -> None:
    stream.flow.matches = lambda payload: "yes" in str(payload)
    assert stream.arrive("no") == []
    assert stream.arrive("yes") == ["#2 'yes'"]


def test_one_direction_alone_hides_what_arrives(stream: Stream) -> None:
    stream.flow.only = "out"
    assert stream.arrive("a") == []
    stream.flow.only = "in"
    assert stream.arrive("a") == ["#2 'a'"]


def test_a_pause_keeps_everything_and_says_how_much(stream: Stream) -> None:
    stream.arrive("a")
    assert stream.flow.pause(1).text.startswith("paused")
    assert stream.arrive("b") == []
    assert stream.arrive("c") == []
    assert stream.flow.live == "paused · 2 more"
    assert stream.flow.pause(3).text == "going on; 2 arrived meanwhile: /show 2 and so on shows them"
    assert stream.arrive("d") == ["#4 'd'"]
    stream.flow.pause(4)
    assert stream.flow.pause(4).text == "going on; nothing has arrived meanwhile"


def test_two_hundred_a_second_are_shown_and_more_are_summed_up(stream: Stream) -> None:
    shown = [line for number in range(60) for line in stream.arrive(str(number), after=0.001)]
    assert shown == [f"#{number + 1} '{number}'" for number in range(50)]
    assert stream.flow.live == "a flood of messages …"
    assert stream.tick(0.2) == []
    for number in range(1000):
        assert stream.arrive(str(number), after=0.0002) == []
    assert stream.tick(WINDOW_S) == []
    assert stream.flow.live == "1,010 messages in 0.4 s (2,469/s, 0.0 MB) · all are kept"
    assert stream.tick(0.1) == []
    assert stream.tick(WINDOW_S) == [
        "#51 to #1060: 1,010 messages in 0.4 s (2,469/s, 0.0 MB) · /show N, /filter, /save",
        "#1060 '999'",
    ]
    assert (stream.flow.live, stream.flow.wake_at) == ("", None)
    assert stream.arrive("after") == ["#1061 'after'"]


def test_a_flood_says_first_what_repeats_there_were(stream: Stream) -> None:
    for _ in range(50):
        stream.arrive("same", after=0.0001)
    assert stream.arrive("same", after=0.0001) == ["×50 · #1 to #50 are the same"]


def test_a_flood_is_summed_up_at_the_end(stream: Stream) -> None:
    for number in range(60):
        stream.arrive(str(number), after=0.0001)
    summary, last = texts(stream.flow.finish())
    assert summary.startswith("#51 to #60: 10 messages in 0.0 s")
    assert last == "#60 '59'"


def test_a_quiet_window_ends_without_a_word(stream: Stream) -> None:
    stream.arrive("a")
    assert stream.flow.wake_at == stream.now + WINDOW_S
    assert stream.tick(WINDOW_S) == []
    assert stream.flow.wake_at is None
