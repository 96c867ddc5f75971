import pytest

from lihil_cli.wstest.network.trace import Frame, FrameTracer

SMALL = b"\x81\x02hi"
MASKED = b"\x82\x81\x01\x02\x03\x04\x00"
MIDDLE = b"\x01\x7e\x01\x00" + b"x" * 256
LARGE = b"\xc0\x7f" + (70_000).to_bytes(8, "big") + b"y" * 70_000
ODD = b"\x0b\x00"
ALL = SMALL + MASKED + MIDDLE + LARGE + ODD + SMALL
FRAMES = [
    Frame(False, 1, True, False, 2, False),
    Frame(False, 2, True, False, 1, True),
    Frame(False, 1, False, False, 256, False),
    Frame(False, 0, True, True, 70_000, False),
    Frame(False, 11, False, False, 0, False),
    Frame(False, 1, True, False, 2, False),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, len(ALL)])
def test_every_frame_is_seen_in_whatever_pieces_it_comes(size: int) -> None:
    tracer = FrameTracer(is_outgoing=False)
    assert [frame for at in range(0, len(ALL), size) for frame in tracer.feed(ALL[at : at + size])] == FRAMES


def test_a_tracer_that_nobody_listens_to_keeps_its_place() -> None:
    tracer = FrameTracer(is_outgoing=True)
    assert tracer.feed(ALL + b"\x89", wanted=False) == []
    assert tracer.feed(b"\x00") == [Frame(True, 9, True, False, 0, False)]


def test_a_frame_that_is_not_whole_is_known() -> None:
    tracer = FrameTracer(is_outgoing=False)
    inside = [tracer.is_inside for piece in (b"\x81", b"\x02h", b"i") if tracer.feed(piece) is not None]
    assert inside == [False, True, False]


def test_an_opcode_is_told_in_words_or_as_its_number() -> None:
    assert [frame.name for frame in FRAMES] == ["text", "binary", "text", "continuation", "opcode 11", "text"]
