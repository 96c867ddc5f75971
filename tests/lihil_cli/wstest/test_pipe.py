import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.pipe import MAX_LINE_BYTES, PipeReader, RecordSplitter, Replay
from lihil_cli.wstest.steps import Say, Step, steps_of_record


def split(*chunks: bytes, by_nul: bool = False, keeps_cr: bool = False) -> list[bytes]:
    splitter = RecordSplitter(by_nul=by_nul, keeps_cr=keeps_cr)
    records = [record for chunk in chunks for record in splitter.feed(chunk)]
    return records + list(splitter.finish())


@pytest.mark.parametrize(
    ("data", "records", "options"),
    [
        (b"", [], {}),
        (b"a\n", [b"a"], {}),
        (b"a\nb", [b"a", b"b"], {}),
        (b"a\r\nb\r\n", [b"a", b"b"], {}),
        (b"\n\n", [b"", b""], {}),
        (b"a\rb\n", [b"a\rb"], {}),
        (b"a\r\n", [b"a\r"], {"keeps_cr": True}),
        (b"a\nb\0c", [b"a\nb", b"c"], {"by_nul": True}),
    ],
)
def test_records_are_the_same_however_the_bytes_arrive(
    data: bytes, records: list[bytes], options: dict[str, bool]
) -> None:
    assert split(data, **options) == records
    assert split(*(data[n : n + 1] for n in range(len(data))), **options) == records


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))), st.data())
def test_what_was_joined_is_split_again(lines: list[str], data: st.DataObject) -> None:
    joined = "".join(f"{line}\n" for line in lines).encode()
    cut = data.draw(st.integers(0, len(joined)))
    assert split(joined[:cut], joined[cut:]) == [line.encode() for line in lines]


def test_a_line_without_end_is_not_gathered_for_ever() -> None:
    splitter = RecordSplitter()
    assert list(splitter.feed(b"first\n" + b"x" * MAX_LINE_BYTES)) == [b"first"]
    with pytest.raises(ValueError, match="over 16777216 bytes"):
        list(splitter.feed(b"x"))
    assert splitter.count == 2


def test_a_record_is_given_step_by_step_as_it_is_asked_for() -> None:
    async def play() -> list[Step | Exception | None]:
        seen: asyncio.Queue[Step | Exception | None] = asyncio.Queue()
        source = Replay(iter([Say("a"), Say("b")]), seen.put_nowait)
        taken = [await seen.get()]
        while taken[-1] is not None:
            source.resume()
            taken.append(await seen.get())
        return taken

    assert asyncio.run(play()) == [Say("a"), Say("b"), None]


@pytest.mark.parametrize("line", ["nonsense", "[" * 100_000])
def test_a_record_that_cannot_be_read_is_told(line: str) -> None:
    async def play() -> Step | Exception | None:
        seen: asyncio.Queue[Step | Exception | None] = asyncio.Queue()
        Replay(steps_of_record([line], None), seen.put_nowait)
        return await seen.get()

    assert "line 1 is no event of a record" in str(asyncio.run(play()))


def test_a_record_whose_reading_fails_otherwise_is_told_as_well() -> None:
    def fail() -> Iterator[Step]:
        yield Say("a")
        raise LookupError("a mistake of ours")

    async def play() -> list[Step | Exception | None]:
        seen: asyncio.Queue[Step | Exception | None] = asyncio.Queue()
        source = Replay(fail(), seen.put_nowait)
        taken = [await seen.get()]
        source.resume()
        return [*taken, await seen.get()]

    said, failure = asyncio.run(play())
    assert said == Say("a")
    assert isinstance(failure, LookupError)


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


def test_a_descriptor_that_does_not_wait_has_not_ended_where_it_has_nothing_yet() -> None:
    async def read(descriptor: int, write: int) -> list[bytes]:
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        reader = PipeReader(descriptor, chunks.put_nowait)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chunks.get(), 0.05)
        os.write(write, b"late")
        seen = [await chunks.get()]
        os.close(write)
        reader.resume()
        return [*seen, await chunks.get()]

    descriptor, write = os.pipe()
    os.set_blocking(descriptor, False)
    assert asyncio.run(read(descriptor, write)) == [b"late", b""]
    os.close(descriptor)


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
