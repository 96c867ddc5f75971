import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.pipe import MAX_LINE_BYTES, LineSplitter, PipeReader


def split(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + list(splitter.finish())


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\n\n", ["", ""]),
        ("é\n☃".encode(), ["é", "☃"]),
        (b"a\rb\n", ["a\rb"]),
    ],
)
def test_lines_are_the_same_however_the_bytes_arrive(data: bytes, lines: list[str]) -> None:
    assert split(data) == lines
    assert split(*(data[n : n + 1] for n in range(len(data)))) == lines


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))), st.data())
def test_what_was_joined_is_split_again(lines: list[str], data: st.DataObject) -> None:
    joined = "".join(f"{line}\n" for line in lines).encode()
    cut = data.draw(st.integers(0, len(joined)))
    assert split(joined[:cut], joined[cut:]) == lines


def test_the_lines_before_a_bad_one_are_given_and_the_bad_one_is_named() -> None:
    lines = LineSplitter().feed(b"good\n\xff\n")
    assert next(lines) == "good"
    with pytest.raises(ValueError, match="line 2: not UTF-8"):
        next(lines)


def test_a_line_without_end_is_not_gathered_for_ever() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"first\n" + b"x" * MAX_LINE_BYTES)) == ["first"]
    with pytest.raises(ValueError, match="line 2: over 16777216 bytes"):
        list(splitter.feed(b"x"))


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def read_all(descriptor: int) -> list[bytes]:
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    reader = PipeReader(descriptor, chunks.put_nowait)
    seen = [await chunks.get()]
    while seen[-1]:
        reader.resume()
        seen.append(await chunks.get())
    return seen


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    (tmp_path / "input").write_bytes(data)
    with opened(tmp_path / "input") as descriptor:
        chunks = asyncio.run(read_all(descriptor))
    assert b"".join(chunks) == data
    assert len(chunks) > 2


@pytest.mark.parametrize("path", [Path("/dev/null"), Path("/")])
def test_nothing_to_read_and_reading_that_fails_are_both_the_end(path: Path) -> None:
    with opened(path) as descriptor:
        assert asyncio.run(read_all(descriptor)) == [b""]


def test_no_chunk_is_read_before_it_is_asked_for() -> None:
    async def watch(read: int, write: int) -> list[bytes]:
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        reader = PipeReader(read, chunks.put_nowait)
        os.write(write, b"one")
        first = await chunks.get()
        os.write(write, b"two")
        os.write(write, b"three")
        reader.resume()
        second = await chunks.get()
        return [first, second]

    read, write = os.pipe()
    try:
        assert asyncio.run(watch(read, write)) == [b"one", b"twothree"]
    finally:
        os.close(write)
        os.close(read)
