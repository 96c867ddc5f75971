import os
import socket
import threading
from collections.abc import Iterator

import pytest

from lihil_cli.devserver.messages import Link, Message


@pytest.fixture
def ends() -> Iterator[tuple[Link, Link, socket.socket]]:
    """Two ends of a link, and the socket of the first for what no peer of ours would send."""
    near, far = socket.socketpair()
    links = Link(near), Link(far)
    yield *links, near
    for link in links:
        link.close()


def test_what_is_sent_arrives_whole_and_in_order(ends: tuple[Link, Link, socket.socket]) -> None:
    near, far, _ = ends
    near.send({"word": "load"})
    near.send({"text": 'a\nb "c" ü'})
    assert far.receive() == [{"word": "load"}, {"text": 'a\nb "c" ü'}]


def test_a_message_that_comes_in_pieces_is_waited_for(ends: tuple[Link, Link, socket.socket]) -> None:
    _, far, raw = ends
    raw.sendall(b'{"wor')
    assert far.receive() == []
    raw.sendall(b'd":1}\n{"x"')
    assert far.receive() == [{"word": 1}]


def test_descriptors_travel_along(ends: tuple[Link, Link, socket.socket]) -> None:
    near, far, _ = ends
    first, second = os.pipe()
    near.send({"fork": 1}, [first])
    near.send({"fork": 2}, [second])
    os.close(second)
    assert far.receive() == [{"fork": 1}]
    assert far.receive() == [{"fork": 2}]
    with os.fdopen(far.take_descriptor(), "rb") as reader, os.fdopen(far.take_descriptor(), "wb") as writer:
        writer.write(b"hello")
        writer.close()
        assert reader.read() == b"hello"
    os.close(first)


def test_the_end_of_a_peer_is_read_and_sending_to_it_does_no_harm(ends: tuple[Link, Link, socket.socket]) -> None:
    near, _, _ = ends
    ours, theirs = socket.socketpair()
    link = Link(ours)
    waiting = threading.Thread(target=link.wait_for_end)
    waiting.start()
    theirs.close()
    waiting.join(60)
    assert not waiting.is_alive()
    link.send({"word": "load"})
    assert link.receive() is None
    link.close()
    assert link.receive() is None
    near.send({})


def is_behind(link: Link) -> bool:
    return link.is_behind


def test_a_peer_that_does_not_read_holds_up_nobody_and_misses_nothing() -> None:
    ours, theirs = socket.socketpair()
    near, far = Link(ours, never_waits=True), Link(theirs)
    reader, writer = os.pipe()
    for number in range(100):
        near.send({"number": number, "filling": "x" * 50_000}, [writer] if number == 99 else [])
    os.close(writer)
    assert is_behind(near)
    received: list[Message] = []
    while len(received) < 100:
        received += far.receive() or []
        near.send_rest()
    assert not is_behind(near)
    assert [message["number"] for message in received] == list(range(100))
    with os.fdopen(reader, "rb") as pipe, os.fdopen(far.take_descriptor(), "wb") as file:
        file.write(b"hello")
        file.close()
        assert pipe.read() == b"hello"
    far.close()
    near.send({"text": "to nobody"})
    assert not is_behind(near)
    near.close()


def test_what_was_not_sent_when_a_link_is_closed_keeps_nothing_open() -> None:
    ours, theirs = socket.socketpair()
    near = Link(ours, never_waits=True)
    reader, writer = os.pipe()
    near.send({"filling": "x" * 5_000_000})
    near.send({"fork": 1}, [writer])
    os.close(writer)
    near.close()
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b""
    theirs.close()


def test_long_messages_of_several_threads_arrive_whole(ends: tuple[Link, Link, socket.socket]) -> None:
    near, far, _ = ends
    texts = [letter * 300_000 for letter in "abcd"]
    threads = [threading.Thread(target=near.send, args=({"text": text},), daemon=True) for text in texts]
    for thread in threads:
        thread.start()
    heard: list[str] = []
    while len(heard) < len(texts):
        heard += [message["text"] for message in far.receive() or ()]
    assert sorted(heard) == texts
