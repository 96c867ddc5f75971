from lihil_cli.wstest.network.trace import Frame
from lihil_cli.wstest.words import frame_line


def test_a_frame_is_told_in_a_line() -> None:
    assert frame_line(Frame(True, 1, True, True, 5, True)) == "frame > text fin rsv1 masked 5 bytes"
    assert frame_line(Frame(False, 9, False, False, 0, False)) == "frame < ping 0 bytes"
