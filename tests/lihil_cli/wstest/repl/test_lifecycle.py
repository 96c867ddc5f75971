import pytest

from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.events import (
    About,
    Connect,
    Drop,
    Failed,
    FetchTrace,
    Opened,
    Prefill,
    Reloaded,
    Send,
    SendClose,
    Tick,
    Traced,
    Watch,
)
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench


def test_the_target_and_the_handshake_are_told(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, "dev server, pid 4121, main:app"))
    assert bench.actions == [Connect("ws")]
    assert bench.shown == [f"→ {URL}   (dev server, pid 4121, main:app)"]
    bench.do(Opened("ws", About(URL, extensions="deflate", connect_s=0.0038)))
    assert bench.shown == ["✓ open in 3.8 ms · no subprotocol · deflate"]


def test_with_q_nothing_is_said_about_connections(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, "dev server", messages=("hello",), is_quiet=True))
    bench.open()
    bench.receive("a")
    bench.receive("a")
    bench.close(1012, "reload")
    bench.do(Reloaded(2, ("SyntaxError",)))
    bench.do(Reloaded(3))
    bench.open(generation=3)
    bench.type("/open bob")
    bench.fail("refused", code=4, peer="bob")
    bench.close(1000)
    assert bench.shown == [
        *("› hello", "#1 00:00:00.000 ‹ a", "  ×2 · #1 to #2 are the same", "› hello"),
        "✗ bob: refused",
    ]
    assert bench.code == 0
    bench = make_bench(Setup(URL, is_quiet=True))
    bench.fail("refused", code=4)
    assert (bench.shown, bench.code) == ([], 4)


def test_with_v_the_answer_to_the_handshake_and_whole_tracebacks_are_told(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, is_verbose=True))
    bench.do(Opened("ws", About(URL, headers=(("Server", "x"),))))
    bench.close(1011)
    bench.do(Traced("ws", "talk", ("short",), ("whole", "trace")))
    assert [row for row in bench.shown if row.startswith("  ")][:3] == ["  Server: x", "  whole", "  trace"]


def test_the_subprotocol_is_told(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.shown == [f"→ {URL}"]
    bench.do(Opened("ws", About(URL, "chat.v2", connect_s=0.01)))
    assert bench.shown == ["✓ open in 10.0 ms · subprotocol chat.v2"]


def test_a_normal_close_by_the_server_is_the_end(bench: Bench) -> None:
    bench.receive("Hello, world!", after=0.01)
    bench.shown.clear()
    bench.close(1000)
    assert bench.shown[-1] == "⚑ closed by server 1000 (normal closure) after 0.01 s · 1 in, 0 out"
    assert bench.code == 0


def test_a_close_code_of_the_app_ends_it_with_code_5(bench: Bench) -> None:
    bench.close(4001, "kicked")
    assert bench.shown == ["⚑ closed by server 4001 (private to the application): kicked after 0.00 s · 0 in, 0 out"]
    assert bench.code == 5


def test_a_refused_handshake_is_told_line_by_line_and_ends_it(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fail("handshake refused: HTTP 422 Unprocessable Content", "  - query max_users: missing", code=4)
    assert bench.shown[1:] == ["✗ handshake refused: HTTP 422 Unprocessable Content", "    - query max_users: missing"]
    assert bench.code == 4


def test_a_server_that_is_not_there_yet_is_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.fail("no server on 127.0.0.1:8000 · start `lihil run`", absent=True) == [Watch(closely=True)]
    assert bench.shown[1:] == ["✗ no server on 127.0.0.1:8000 · start `lihil run`; retrying, Ctrl-C stops"]
    assert bench.repl.live == f"⟳ waiting for {URL} …"
    assert bench.do(Tick(), 0.05) == []
    assert bench.do(Tick(), 0.05) == [Watch(closely=False), Connect("ws")]
    bench.fail("no server", absent=True)
    assert bench.shown == []
    bench.do(Tick(), 0.2)
    bench.open()
    assert bench.shown == ["✓ open in 3.8 ms · no subprotocol"]


def test_a_connection_that_is_waited_for_beside_another_can_be_given_up(bench: Bench) -> None:
    bench.type("/open bob :1/x")
    bench.fail("no server on 127.0.0.1:1", absent=True, peer="bob")
    assert bench.shown == ["✗ bob: no server on 127.0.0.1:1; retrying, @bob /close gives it up"]
    bench.do(Tick(), 0.1)
    assert bench.type("@bob /close") == [Drop("bob")]  # it was just being tried
    assert bench.shown == ["⚑ bob: given up"]
    assert list(bench.desk.peers) == ["ws"]
    bench.type("/open bob /x")
    bench.open("bob")
    bench.lose("bob")
    bench.shown.clear()
    bench.screen.clear()
    bench.type("/open eve")
    assert bench.type("@bob /drop") == [Watch(closely=False)]
    assert bench.shown == ["⚑ bob: given up"]
    assert bench.desk.current == "eve"
    assert bench.type("@bob /drop") == [Prefill("@bob /drop")]
    bench.type("/close")
    assert bench.desk.current == "ws"
    bench.close(1000)
    assert bench.code == 5  # bob was lost


def test_the_last_connection_that_is_waited_for_ends_it_when_it_is_given_up(bench: Bench) -> None:
    bench.type("/open bob :1/x")
    bench.fail("no server", absent=True, peer="bob")
    bench.close(1000)
    assert not bench.desk.is_leaving
    bench.type("/close")
    assert bench.code == 0
    assert bench.repl.toolbar.startswith("ws /chat · ")


def test_the_only_connection_can_be_given_up_before_it_is_there(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.type("/close")[0] == Drop("ws")
    assert bench.code == 3


@pytest.mark.parametrize(("near", "longest_s"), [(True, 0.4), (False, 2.0)])
def test_a_server_of_this_machine_is_looked_for_more_often(make_bench: MakeBench, near: bool, longest_s: float) -> None:
    bench = make_bench()
    for _ in range(8):
        bench.do(Failed("ws", ("no server",), 3, absent=True, near=near))
        waited_s = (bench.repl.wake_at or 0.0) - bench.now
        bench.do(Tick(), waited_s)
    assert waited_s == pytest.approx(longest_s)


def test_without_reconnecting_a_server_that_is_not_there_is_the_end(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, reconnects=False))
    bench.fail("no server", absent=True)
    assert bench.code == 3


def test_a_lost_connection_is_opened_again(bench: Bench) -> None:
    bench.lose()
    assert bench.shown == ["⚑ lost 1006 (the connection was lost without a close) after 0.00 s · 0 in, 0 out"]
    assert bench.do(Tick(), 0.1) == [Watch(closely=False), Connect("ws")]
    bench.fail("no server", absent=True)
    assert bench.do(Tick(), 0.2) == [Watch(closely=False), Connect("ws")]
    bench.open()
    assert bench.shown == ["⟳ reconnected after 0.3 s"]


def test_a_reload_is_followed_by_its_generation(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, messages=("hello",)))
    assert bench.open(generation=13) == [Send("ws", "hello")]
    bench.shown.clear()
    assert bench.close(1012, "reload") == [Watch(closely=True)]
    assert bench.repl.live == "⟳ server reloading …"
    assert bench.do(Reloaded(13)) == []
    assert bench.do(Reloaded(14), 0.3) == [Watch(closely=False), Connect("ws")]
    bench.shown.clear()
    # What the conversation began with is sent again.
    assert bench.open(generation=14, after=0.01) == [Send("ws", "hello")]
    assert bench.shown == ["⟳ server reloading … reconnected in 0.31 s, generation 14", "› hello"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("routes/chat.py",), "routes/chat.py"),
        (("a.py", "b.py", "c.py", "d.py", "e.py"), "a.py, b.py, c.py and 2 more"),
    ],
)
def test_a_reload_names_the_files_that_it_was_made_for(bench: Bench, changed: tuple[str, ...], named: str) -> None:
    bench.close(1012, "reload")
    bench.do(Reloaded(2))
    bench.shown.clear()
    bench.open(generation=2, changed=changed)
    assert bench.shown == [f"⟳ server reloading ({named} changed) … reconnected in 0.00 s, generation 2"]


def test_a_reload_of_a_server_without_a_file_is_tried_after_a_while(bench: Bench) -> None:
    bench.close(1012, "reload")
    assert bench.do(Tick(), 9.9) == []
    assert bench.do(Tick(), 0.1) == [Watch(closely=False), Connect("ws")]
    bench.open()
    assert bench.shown == ["⟳ server reloading … reconnected in 10.00 s"]


def test_a_server_that_stops_while_it_reloads_is_waited_for(bench: Bench) -> None:
    bench.close(1012, "reload")
    bench.do(Reloaded(None))
    assert bench.repl.live == f"⟳ waiting for {URL} …"
    assert bench.do(Tick(), 0.1) == [Watch(closely=False), Connect("ws")]


def test_code_that_cannot_be_served_is_told_once(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.open(generation=3)
    bench.close(1012, "reload")
    bench.shown.clear()
    broken = Reloaded(3, ("SyntaxError: invalid syntax (chat.py:31)", '  File "chat.py", line 31'))
    bench.do(broken)
    bench.do(broken)
    assert bench.shown == [
        "✗ the new code cannot be served: SyntaxError: invalid syntax (chat.py:31)",
        '    File "chat.py", line 31',
    ]
    bench.do(Reloaded(4))
    assert bench.actions[-1] == Connect("ws")
    bench.open(generation=4)
    bench.shown.clear()
    bench.do(broken)  # also while the old code is still being served
    assert len(bench.shown) == 2


def test_a_crash_of_the_handler_is_told_with_its_place(bench: Bench) -> None:
    assert bench.close(1011) == [Watch(closely=True), FetchTrace("ws")]
    assert bench.shown == []
    place = ("chat.py:31 in ws_handler", "   31 │     assert max_users == 5", "AssertionError")
    bench.do(Traced("ws", "ws_handler", place, ("all", "frames")))
    assert bench.shown == [
        *("⚑ closed by server 1011 (internal error) after 0.00 s · 0 in, 0 out · handler ws_handler raised",),
        *("  chat.py:31 in ws_handler", "     31 │     assert max_users == 5"),
        "  AssertionError   /trace for all frames",
        "  /reconnect connects again, as a change of the code does; Ctrl-D leaves",
    ]
    bench.type("/trace")
    assert bench.shown == ["  all", "  frames"]
    assert bench.repl.toolbar.split(" · ")[2] == "not connected"
    bench.do(Reloaded(2))
    assert bench.actions[-1] == Connect("ws")


def test_a_crash_that_nobody_explains_is_told_all_the_same(bench: Bench) -> None:
    bench.close(1011, "oops")
    bench.do(Traced("ws"))
    assert bench.shown[0] == "⚑ closed by server 1011 (internal error): oops after 0.00 s · 0 in, 0 out"
    bench.type("/quit")
    assert bench.code == 5


def test_after_a_reload_a_refusal_is_no_reason_to_leave(bench: Bench) -> None:
    bench.close(1012, "reload")
    bench.do(Reloaded(2))
    bench.fail("handshake refused: HTTP 404 Not Found", code=4)
    assert bench.shown == [
        "✗ handshake refused: HTTP 404 Not Found",
        "  /reconnect connects again, as a change of the code does; Ctrl-D leaves",
    ]
    assert bench.code is None


def test_where_the_user_wanted_to_go_in_vain_is_no_reason_to_leave_either(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, reconnects=False))
    bench.open()
    assert bench.type("/connect /other") == [SendClose("ws", 1000)]
    bench.close(1000)
    bench.shown.clear()
    bench.fail("handshake refused: HTTP 404 Not Found", code=4)
    assert bench.shown == [
        "✗ handshake refused: HTTP 404 Not Found",
        "  /reconnect connects again; Ctrl-D leaves",
    ]
    assert bench.do(Reloaded(9)) == []
    bench.type("/connect")
    bench.open()
    bench.lose()
    assert bench.code == 5


def test_news_of_a_connection_that_was_given_up_mean_nothing(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.type("/quit")
    assert bench.code == 3
    bench.shown.clear()
    bench.open()
    bench.fail("too late")
    assert bench.shown == []


def test_a_crash_in_answer_to_our_close_is_told_without_asking_for_more(bench: Bench) -> None:
    bench.type("/close")
    bench.close(1011)
    assert bench.shown[-1].startswith("⚑ closed by server 1011")
    assert bench.code == 5


def test_lines_go_to_the_connection_that_is_left(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    bench.shown.clear()
    bench.close(1000, peer="bob")
    assert bench.shown == ["⚑ bob: closed by server 1000 (normal closure) after 0.00 s · 0 in, 0 out"]
    assert bench.desk.current == "ws"
    assert bench.code is None
    bench.close(4000)
    assert bench.code == 5


def test_a_dev_server_that_changes_is_nothing_to_a_connection_the_user_dropped(bench: Bench) -> None:
    bench.type("/drop")
    bench.lose()
    assert bench.do(Reloaded(9)) == []


def test_a_further_connection_that_never_was_changes_nothing(bench: Bench) -> None:
    bench.type("/open bob /other")
    bench.fail("handshake refused: HTTP 404 Not Found", code=4, peer="bob")
    bench.open("bob")  # what comes late means nothing
    bench.fail("late", peer="bob")
    assert bench.shown == ["✗ bob: handshake refused: HTTP 404 Not Found"]
    assert (bench.repl.marker, bench.desk.current) == ("", "ws")
    bench.close(1000)
    assert bench.code == 0


def test_a_dev_server_that_comes_is_connected_to_at_once(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fail("no server", absent=True)
    assert bench.do(Reloaded(None)) == []
    assert bench.do(Reloaded(1)) == [Watch(closely=False), Connect("ws")]


def test_a_dev_server_that_was_started_anew_counts_from_one_again(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.open(generation=1)
    bench.close(1001)
    assert bench.do(Reloaded(1)) == []  # its file is there for a moment longer than it is
    assert bench.do(Reloaded(None)) == []
    assert bench.do(Reloaded(1)) == [Watch(closely=False), Connect("ws")]
