import pytest

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.repl.events import About, Closed
from lihil_cli.wstest.repl.peer import Life, Peer
from lihil_cli.wstest.returning import FIRST_WAIT_S, LONGEST_WAIT_S


def opened(at: float = 0.0) -> Peer:
    peer = Peer("ws", "ws://h/x")
    peer.open(About("ws://h/x", generation=3), at)
    return peer


@pytest.mark.parametrize(
    ("event", "life", "code"),
    [
        (Closed("ws", 1000), Life.ENDED, ExitCode.OK),
        (Closed("ws", 1001), Life.WAITING, ExitCode.OK),
        (Closed("ws", 1002), Life.ENDED, ExitCode.ENDED_BADLY),
        (Closed("ws", 1006, by="nobody"), Life.WAITING, ExitCode.ENDED_BADLY),
        (Closed("ws", 1008), Life.ENDED, ExitCode.ENDED_BADLY),
        (Closed("ws", 1009, by="client"), Life.ENDED, ExitCode.ENDED_BADLY),
        (Closed("ws", 1011), Life.IDLE, ExitCode.ENDED_BADLY),
        (Closed("ws", 1012), Life.WAITING, ExitCode.ENDED_BADLY),
        (Closed("ws", 1012, "reload"), Life.RELOADING, ExitCode.ENDED_BADLY),
        (Closed("ws", 1013), Life.WAITING, ExitCode.ENDED_BADLY),
        (Closed("ws", 4001), Life.ENDED, ExitCode.ENDED_BADLY),
    ],
)
def test_what_follows_depends_on_how_it_ended(event: Closed, life: Life, code: ExitCode) -> None:
    peer = opened()
    peer.close(event, 5.0, reconnects=True)
    assert (peer.life, peer.code, peer.lost_by) == (life, code, life)
    peer = opened()
    peer.close(event, 5.0, reconnects=False)
    assert (peer.life, peer.code) == (Life.ENDED, code)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Closed("ws", 4000, by="client"), ExitCode.OK),
        (Closed("ws", 1000), ExitCode.OK),
        (Closed("ws", 1005), ExitCode.OK),
        (Closed("ws", 1011), ExitCode.ENDED_BADLY),
        (Closed("ws", 1006, by="nobody"), ExitCode.ENDED_BADLY),
    ],
)
def test_a_close_that_we_asked_for_is_the_end(event: Closed, code: ExitCode) -> None:
    peer = opened()
    peer.life = Life.CLOSING
    peer.close(event, 5.0, reconnects=True)
    assert (peer.life, peer.code) == (Life.ENDED, code)


def test_a_lost_connection_can_be_declared_good() -> None:
    peer = opened()
    peer.close(Closed("ws", 1006, by="nobody"), 5.0, reconnects=False, ok_codes={1006})
    assert peer.code == ExitCode.OK


def test_the_wait_doubles_up_to_two_seconds_and_begins_anew_after_a_steady_connection() -> None:
    peer = opened()
    waits = []
    now = 0.0
    for _ in range(7):
        peer.close(Closed("ws", 1006, by="nobody"), now, reconnects=True)
        assert peer.retry_at is not None
        waits.append(round(peer.retry_at - now, 3))
        now = peer.retry_at
        peer.connect()
        peer.open(About("ws://h/x"), now)
    assert waits == [FIRST_WAIT_S, 0.2, 0.4, 0.8, 1.6, LONGEST_WAIT_S, LONGEST_WAIT_S]
    peer.close(Closed("ws", 1006, by="nobody"), now + 1.0, reconnects=True)
    assert peer.retry_at == pytest.approx(now + 1.1)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Closed("ws", 1000), "closed by server 1000 (normal closure) after 0.01 s · 1 in, 0 out"),
        (
            Closed("ws", 4001, "kicked"),
            "closed by server 4001 (private to the application): kicked after 0.01 s · 1 in, 0 out",
        ),
        (Closed("ws", 1000, by="client"), "closed 1000 (normal closure) after 0.01 s · 1 in, 0 out"),
        (
            Closed("ws", 1009, by="client"),
            "closed 1009 (message too big) after 0.01 s · 1 in, 0 out; --max-size BYTES raises the limit",
        ),
        (
            Closed("ws", 1006, by="nobody"),
            "lost 1006 (the connection was lost without a close) after 0.01 s · 1 in, 0 out",
        ),
    ],
)
def test_how_it_ended_is_one_line(event: Closed, text: str) -> None:
    peer = opened()
    peer.incoming = 1
    assert peer.how_it_ended(event, 0.01) == text


def test_a_new_connection_starts_counting_again() -> None:
    peer = opened()
    assert (peer.generation, peer.words, peer.is_open) == (3, "open", True)
    peer.incoming = peer.outgoing = 5
    peer.rtts.append(0.1)
    peer.trace = ("old",)
    peer.close(Closed("ws", 1012, "reload"), 1.0, reconnects=True)
    assert peer.words == "server reloading"
    peer.connect()
    peer.open(About("ws://h/x", generation=4), 2.0)
    assert (peer.incoming, peer.outgoing, peer.generation) == (0, 0, 4)
    assert not peer.rtts
    assert not peer.trace


def test_before_the_handshake_there_is_no_generation() -> None:
    assert Peer("ws").generation is None
