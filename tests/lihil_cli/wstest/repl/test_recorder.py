from collections.abc import Callable
from pathlib import Path

import pytest

from lihil_cli.wstest.network.handshake import Refusal
from lihil_cli.wstest.repl.events import About, Failed, Opened
from lihil_cli.wstest.repl.recorder import Recorder
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench
from tests.lihil_cli.wstest.repl.test_transcript import saved


def recorded(bench: Bench, file: Path, trouble: Callable[[str], None] = print) -> Recorder:
    recorder = Recorder(file.open("wb"), 0.0, bench.desk.shown, trouble)
    bench.log.tell = recorder.keep
    return recorder


def test_a_record_is_what_save_writes_and_is_there_at_once(make_bench: MakeBench, tmp_path: Path) -> None:
    bench, file = make_bench(), tmp_path / "x.jsonl"
    recorder = recorded(bench, file)
    refusal = Refusal(URL, 422, "Unprocessable Content", [("X-A", "1")], b"no")
    bench.do(Failed("ws", ("no server",), 3, absent=True))
    bench.desk.peer.connect()
    bench.do(Opened("ws", About(URL, "chat.v2", connect_s=0.0038)))
    bench.type("/hex 00 ff")
    bench.receive("h\nallo")
    bench.receive(b"\x00\x01\x02")
    bench.type("/ping")
    bench.pong(0.00031)
    bench.close(1012, "reload")
    bench.desk.peer.connect()
    bench.do(Failed("ws", ("handshake refused",), 4, refusal=refusal))
    text = file.read_text()
    kinds = [line.partition('"ev":"')[2].partition('"')[0] for line in text.splitlines()]
    assert kinds == ["open", "send", "recv", "recv", "pong", "close", "refused"]
    assert text == saved(bench, "x.jsonl")
    recorder.close()


def test_a_connection_is_named_once_there_are_several(bench: Bench, tmp_path: Path) -> None:
    recorder = recorded(bench, tmp_path / "x.jsonl")
    bench.type("alone")
    bench.type("/open bob")
    bench.open("bob")
    bench.type("both")
    recorder.close()
    alone, *others = (tmp_path / "x.jsonl").read_text().splitlines()
    assert alone == '{"t":0.0,"ev":"send","kind":"text","data":"alone"}'
    assert [line.rpartition(",")[2] for line in others] == ['"peer":"bob"}', '"peer":"bob"}']


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is simulated by /dev/full")
def test_a_file_that_takes_no_more_is_told_once(bench: Bench) -> None:
    trouble: list[str] = []
    recorder = recorded(bench, Path("/dev/full"), trouble.append)
    bench.type("one")
    bench.type("two")
    assert (trouble, recorder.is_lost) == (["No space left on device"], True)
    recorder.close()
