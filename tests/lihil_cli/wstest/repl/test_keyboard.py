import asyncio
import os

from lihil_cli.wstest.repl.events import InputEnded, Interrupted, Typed
from lihil_cli.wstest.repl.keyboard import PlainLines


def typed(data: bytes, count: int) -> tuple[list[Typed | InputEnded | Interrupted], list[str]]:
    """The first events that come of some input, and what was shown meanwhile."""
    shown: list[str] = []

    async def read() -> list[Typed | InputEnded | Interrupted]:
        source, sink = os.pipe()
        os.write(sink, data)
        os.close(sink)
        try:
            keyboard = PlainLines(source, shown.append)
            with keyboard.keys():
                return [await asyncio.wait_for(keyboard.next_event(), 10) for _ in range(count)]
        finally:
            os.close(source)

    return asyncio.run(read()), shown


def test_each_line_is_an_event_and_so_is_the_end() -> None:
    assert typed(b"one\r\ntw\xc3\xa9\nlast", 4)[0] == [Typed("one"), Typed("twé"), Typed("last"), InputEnded()]


def test_json_that_is_not_complete_goes_on_in_the_next_line() -> None:
    assert typed(b'{"a":\n1}\nhi\n', 3)[0] == [Typed('{"a":\n1}'), Typed("hi"), InputEnded()]


def test_what_is_no_utf8_does_no_harm() -> None:
    assert typed(b"a\xff\n", 1)[0] == [Typed("a\ufffd")]


def test_a_line_that_is_too_long_is_told() -> None:
    async def overflow() -> list[str]:
        shown: list[str] = []
        source, sink = os.pipe()
        keyboard = PlainLines(source, shown.append)
        keyboard._take(b"x" * (17 * 2**20))
        os.close(sink)
        assert await asyncio.wait_for(keyboard.next_event(), 10) == InputEnded()
        os.close(source)
        return shown

    (told,) = asyncio.run(overflow())
    assert told.startswith("over ")


def test_there_is_no_prompt_to_draw_or_to_fill() -> None:
    async def use() -> tuple[list[str], object]:
        shown: list[str] = []
        source, sink = os.pipe()
        keyboard = PlainLines(source, shown.append)
        keyboard.print_above("above\n")
        keyboard.prefill("kept\nline")
        keyboard.refresh()
        keyboard.flush()
        keyboard.clear()
        keyboard.set_keys("vi")
        keyboard.stop()
        ended = await keyboard.next_event()
        os.close(sink)
        await asyncio.wait_for(keyboard.next_event(), 10)
        os.close(source)
        return shown, ended

    assert asyncio.run(use()) == (["above\n", "  kept\n  line\n"], InputEnded())
