import json

import pytest

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.events import (
    Closed,
    Drop,
    FileRead,
    FrameSeen,
    InputEnded,
    Interrupted,
    ReadFile,
    Send,
    SendClose,
    Tick,
    Told,
)
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench


def test_messages_have_numbers_times_and_the_time_between(bench: Bench) -> None:
    bench.receive("a", after=1.0)
    bench.receive("b", after=0.4)
    assert bench.shown == ["#1 00:00:01.000 ‹ a", "#2 00:00:01.400 +0.4s ‹ b"]
    assert bench.repl.toolbar == "ws /chat · #2 · ^R history · ^D close"


def test_messages_given_on_the_command_line_are_sent_first(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, messages=("a", "b")))
    assert bench.open() == [Send("ws", "a"), Send("ws", "b")]
    assert bench.shown[-2:] == ["› a", "› b"]


def test_a_limit_closes_after_so_many_messages(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, limit=2))
    bench.open()
    assert bench.receive("a") == []
    assert bench.receive("b") == [SendClose("ws", 1000)]
    assert bench.receive("c") == []
    bench.do(Closed("ws", 1000, by="client"))
    assert [row[-3:] for row in bench.shown if row.startswith("#")] == ["‹ a", "‹ b"]
    assert (bench.code, bench.log.received) == (0, 2)


def test_a_timeout_ends_it_with_a_code_of_its_own(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, timeout_s=5.0))
    bench.open()
    assert bench.repl.wake_at == 5.0
    assert bench.do(Tick(), 4.9) == []
    assert bench.do(Tick(), 0.1) == [SendClose("ws", 1000)]
    assert bench.shown[-1] == "✗ --timeout: 5 s have passed"
    bench.do(Closed("ws", 1000, by="client"))
    assert bench.code == ExitCode.TIMEOUT


def test_ctrl_d_closes_with_1000(bench: Bench) -> None:
    assert bench.do(InputEnded()) == [SendClose("ws", 1000)]
    assert bench.do(InputEnded()) == []
    assert bench.type("too late") == []
    bench.do(Closed("ws", 1000, by="client"))
    assert bench.shown == ["⚑ closed 1000 (normal closure) after 0.00 s · 0 in, 0 out"]
    assert bench.code == 0


def test_with_a_linger_ctrl_d_waits_for_what_is_still_to_come(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, linger_s=2.0))
    bench.open()
    assert bench.do(InputEnded()) == []
    assert bench.shown[-1] == "  leaving when nothing has come for 2 s; Ctrl-D once more leaves at once"
    bench.receive("late", after=1.5)
    assert bench.repl.wake_at == pytest.approx(1.75)  # for the screen
    bench.do(Tick(), 0.5)
    assert bench.repl.wake_at == pytest.approx(3.5)
    assert bench.do(Tick(), 1.5) == [SendClose("ws", 1000)]
    assert bench.repl.wake_at is None
    bench = make_bench(Setup(URL, linger_s=2.0))
    bench.open()
    bench.do(InputEnded())
    assert bench.do(InputEnded()) == [SendClose("ws", 1000)]


def test_ctrl_c_hints_first_and_then_leaves(bench: Bench) -> None:
    assert bench.do(Interrupted()) == []
    assert bench.shown == ["  Ctrl-C once more leaves, as Ctrl-D does"]
    bench.type("hi")
    assert bench.do(Interrupted()) == []
    assert bench.do(Interrupted()) == [SendClose("ws", 1000)]
    bench.do(Closed("ws", 1000, by="client"))
    assert bench.code == 0


def test_ctrl_c_does_not_wait_for_a_server_that_does_not_answer_the_close(bench: Bench) -> None:
    bench.do(Interrupted())
    bench.do(Interrupted())
    assert bench.do(Interrupted()) == [Drop("ws")]
    bench.lose()
    assert bench.shown[-1] == "⚑ the server did not answer the close (1006)"
    assert bench.code == ExitCode.INTERRUPTED


def test_a_server_that_does_not_answer_the_close_is_told(bench: Bench) -> None:
    bench.type("/close")
    bench.lose()
    assert bench.shown == ["⚑ the server did not answer the close (1006)"]
    assert bench.code == ExitCode.ENDED_BADLY


def test_ctrl_c_stops_waiting_at_once(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fail("no server", absent=True)
    bench.do(Interrupted())
    assert bench.code == ExitCode.INTERRUPTED
    bench = make_bench()
    assert bench.do(Interrupted())[0] == Drop("ws")
    assert bench.code == ExitCode.INTERRUPTED
    bench = make_bench()
    bench.open()
    bench.lose()
    bench.do(Interrupted())
    assert bench.code == ExitCode.ENDED_BADLY


def test_ctrl_c_stops_a_repeat_before_anything_else(bench: Bench) -> None:
    bench.type("/repeat 5 every 1s x")
    bench.screen.clear()
    assert bench.do(Interrupted()) == []
    assert bench.shown == ["  repeat stopped after 1"]
    assert bench.do(Tick(), 5.0) == []


def test_leaving_closes_every_connection(bench: Bench) -> None:
    for name in ("bob", "eve"):
        bench.type(f"/open {name}")
    bench.open("bob")
    bench.lose("bob")
    bench.screen.clear()
    assert bench.do(InputEnded())[-2:] == [SendClose("ws", 1000), Drop("eve")]
    bench.do(Closed("ws", 1000, by="client"))
    assert bench.code == ExitCode.ENDED_BADLY  # bob was lost


def test_a_server_that_is_waited_for_is_not_tried_again_while_leaving(bench: Bench) -> None:
    bench.type("/open eve :1/x")
    bench.fail("no server", absent=True, peer="eve")
    bench.do(InputEnded())
    assert bench.do(Tick(), 60) == []
    bench.close(1000)
    assert bench.code == 0  # eve never was


def test_leaving_undoes_a_move_to_elsewhere(bench: Bench) -> None:
    bench.type("/connect /other")
    bench.do(InputEnded())
    bench.close(1000)
    assert bench.code == 0


def test_a_drop_while_leaving_is_no_reason_to_stay(bench: Bench) -> None:
    bench.type("/drop")
    bench.do(InputEnded())
    bench.lose()
    assert bench.code == 0


def test_frames_and_news_of_the_shell_are_shown(bench: Bench) -> None:
    bench.do(FrameSeen("ws", "→ text fin masked 2 bytes"))
    bench.do(Told("redirected to ws://h/y"))
    bench.do(Told("cannot write x", "bad"))
    assert bench.shown == ["  → text fin masked 2 bytes", "  redirected to ws://h/y", "✗ cannot write x"]


@pytest.mark.parametrize(
    ("purpose", "data", "sent"), [("text", "é".encode(), "é"), ("bin", b"\xff", b"\xff")], ids=["text", "bin"]
)
def test_a_file_is_sent_as_one_message(bench: Bench, purpose: str, data: bytes, sent: str | bytes) -> None:
    request = ReadFile("a.txt", purpose, "ws")  # type: ignore[arg-type]
    assert bench.do(FileRead(request, data)) == [Send("ws", sent)]
    assert bench.shown == ["› /file a.txt"]


def test_a_file_that_cannot_be_sent_is_told(bench: Bench) -> None:
    bench.do(FileRead(ReadFile("a", "bin", "ws"), reason="No such file or directory"))
    bench.do(FileRead(ReadFile("a", "text", "ws"), b"\xff"))
    bench.type("/drop")
    bench.lose()
    bench.do(FileRead(ReadFile("a", "bin", "ws"), b"x"))
    rows = bench.shown
    assert rows[:2] == [
        "✗ cannot read a: No such file or directory",
        "✗ a is not UTF-8, so it cannot be a text message: add bin",
    ]
    assert rows[-1] == "✗ ws is not connected any longer"


RECORD = "\n".join(
    json.dumps(event)
    for event in (
        {"t": 0.0, "ev": "open", "url": URL, "status": 101},
        {"t": 1.0, "ev": "send", "kind": "text", "data": "hi"},
        {"t": 1.5, "ev": "recv", "n": 1, "kind": "text", "data": "hi"},
        {"t": 3.0, "ev": "send", "kind": "binary", "b64": "AAE=", "len": 2},
    )
)


def test_a_record_is_sent_again_in_its_own_time(bench: Bench) -> None:
    assert bench.do(FileRead(ReadFile("x.jsonl", "replay", "ws", 2.0), RECORD.encode())) == []
    assert bench.do(Tick(), 0.5) == [Send("ws", "hi")]
    assert bench.do(Tick(), 0.9) == []
    assert bench.do(Tick(), 0.1) == [Send("ws", b"\x00\x01")]
    assert bench.shown == ["  replaying 2 messages", "› hi", "  replay: 2 sent"]


def test_a_record_is_sent_again_without_waiting(bench: Bench) -> None:
    request = ReadFile("x.jsonl", "replay", "ws", 0.0)
    assert bench.do(FileRead(request, RECORD.encode())) == [Send("ws", "hi"), Send("ws", b"\x00\x01")]


@pytest.mark.parametrize("content", [b"\xff", b"{}", b"nonsense", b'{"ev":"send"}', b"[" * 100_000])
def test_what_is_no_record_is_told(bench: Bench, content: bytes) -> None:
    assert bench.do(FileRead(ReadFile("x.jsonl", "replay", "ws"), content)) == []
    assert bench.shown[0].startswith("✗ cannot replay x.jsonl: ")


class Odd(bytes):
    """The content of a file that nothing can be made of."""

    def decode(self, encoding: str = "", errors: str = "") -> str:
        raise RuntimeError("boom")


def test_a_bug_that_a_file_leads_to_does_not_cost_the_session(bench: Bench) -> None:
    assert bench.do(FileRead(ReadFile("x.txt", "text", "ws"), Odd())) == []
    assert bench.shown[0] == "✗ RuntimeError: boom"


def test_the_toolbar_tells_where_lines_go(make_bench: MakeBench) -> None:
    assert make_bench(Setup("unix")).repl.toolbar == "ws unix · #0 · connecting · ^R history · ^D close"
    assert make_bench(Setup("ws://h")).repl.toolbar == "ws / · #0 · connecting · ^R history · ^D close"


def test_a_flood_is_in_the_live_line(bench: Bench) -> None:
    for number in range(60):
        bench.receive(str(number), after=0.0001)
    assert bench.repl.live == "a flood of messages …"
    bench.screen.clear()
    bench.do(Tick(), 0.25)
    bench.do(Tick(), 0.25)
    assert bench.shown[0].startswith("  #51 to #60: 10 messages")
    assert bench.repl.live == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_what_came_in_a_burst_is_summed_up_above_the_end(make_bench: MakeBench, quiet: bool) -> None:
    bench = make_bench(Setup(URL, is_quiet=quiet))
    bench.open()
    for number in range(1, 101):
        bench.receive(f"message {number}", after=0.0001)
    bench.close(1000)
    summary, latest, *end = bench.shown[-(2 if quiet else 3) :]
    assert summary.startswith("  #51 to #100: 50 messages in ")
    assert latest.endswith("‹ message 100")
    assert [row.partition(" after ")[0] for row in end] == (
        [] if quiet else ["⚑ closed by server 1000 (normal closure)"]
    )


def test_an_end_that_is_expected_counts_as_a_good_one(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, ok_codes=frozenset({4001})))
    bench.open()
    bench.close(4001)
    assert bench.code == 0


def test_a_message_that_ends_it_closes_with_1000(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, until=lambda payload: payload == "done"))
    bench.open()
    assert bench.receive("more") == []
    assert bench.receive("done") == [SendClose("ws", 1000)]
    bench.receive("after")
    bench.do(Closed("ws", 1000, by="client"))
    assert bench.shown[-2:] == [
        "#2 00:00:00.000 +0.0s ‹ done",
        "⚑ closed 1000 (normal closure) after 0.00 s · 2 in, 0 out",
    ]


@pytest.mark.parametrize(("messages", "code"), [(("a", "x", "b"), 0), (("b", "a"), 1), ((), 1)])
def test_what_the_command_line_expects_has_to_come_in_order(
    make_bench: MakeBench, messages: tuple[str, ...], code: int
) -> None:
    expects = (("a", lambda payload: payload == "a"), ("b", lambda payload: payload == "b"))
    bench = make_bench(Setup(URL, expects=expects))
    bench.open()
    for message in messages:
        bench.receive(message)
    bench.close(1000)
    assert bench.code == code
    assert (bench.shown[-1] == f"✗ no message was {'b' if messages else 'a'}, as expected") is bool(code)


def test_bytes_given_on_the_command_line_are_shown_as_digits(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, messages=(b"\x00\xff",)))
    assert bench.open() == [Send("ws", b"\x00\xff")]
    assert bench.shown[-1] == "› /hex 00 ff"


def test_leaving_again_changes_nothing_about_what_is_closed_already(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    bench.close(1000, peer="bob")
    bench.type("/close 4000")
    assert bench.do(InputEnded()) == []
    bench.do(Closed("ws", 4000, by="client"))
    assert bench.code == 0
