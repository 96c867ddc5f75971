import selectors
import socket

from lihil_cli.devserver.crew import wait
from lihil_cli.devserver.messages import Link, Message


def test_what_a_worker_has_no_room_for_is_sent_while_the_supervisor_waits_for_news() -> None:
    ours, theirs = socket.socketpair()
    near, far = Link(ours, never_waits=True), Link(theirs)
    with selectors.DefaultSelector() as selector:
        selector.register(near, selectors.EVENT_READ)
        near.send({"filling": "x" * 5_000_000})
        received: list[Message] = []
        while not received:
            received += far.receive() or []
            assert wait(selector, 0) == []
        assert len(received[0]["filling"]) == 5_000_000
        far.send({"text": "received"})
        assert [key.fileobj for key in wait(selector, 60)] == [near]
        assert selector.get_key(near).events == selectors.EVENT_READ  # or it would never sleep again
    near.close()
    far.close()
