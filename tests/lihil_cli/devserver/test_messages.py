import os
import socket
import threading
from collections.abc import Iterator

import pytest

from lihil_cli.devserver.messages import Link


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
