"""Where code waits: the innermost frame of the user's own code in a suspended task or in a busy thread."""

import asyncio
import gc
import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_LIHIL = str(Path(__file__).parents[1]) + os.sep
_DEPTH_MAX = 200
_FOLLOWED = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Task)


def task_position(task: asyncio.Task[Any]) -> str:
    """Where `task` waits, as `file:line in function: source line`; "" when it has not begun or has ended."""
    return _innermost(_awaited_frames(task))


def thread_position(ident: int | None) -> str:
    """What the thread `ident` is doing right now, in the form of `task_position`; "" when it has ended."""
    frame = sys._current_frames().get(ident or 0)
    return _innermost(reversed(list(_outer_frames(frame))))


def _outer_frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _awaited_frames(awaitable: object) -> Iterator[FrameType]:
    """The frames from a task inwards, through coroutines, generators and awaited tasks."""
    for _ in range(_DEPTH_MAX):
        frame = _frame_of(awaitable)
        if frame is not None:
            yield frame
        awaitable = _awaited_by(awaitable)
        if awaitable is None:
            return


def _frame_of(awaitable: object) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(awaitable, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


def _awaited_by(awaitable: object) -> object | None:
    if isinstance(awaitable, asyncio.Task):
        return awaitable.get_coro()
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(awaitable, name):
            inner: object = getattr(awaitable, name)
            return inner
    # The iterators behind `await future` and `async for` name nothing publicly, but the garbage collector sees
    # what they hold.
    return next((held for held in gc.get_referents(awaitable) if isinstance(held, _FOLLOWED)), None)


def _innermost(frames: Iterator[FrameType]) -> str:
    """Of frames from the outside in: the last one in the user's code, else the last one."""
    chosen: FrameType | None = None
    for frame in frames:
        if chosen is None or _is_users(frame) or not _is_users(chosen):
            chosen = frame
    return "" if chosen is None else _describe(chosen)


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not (file.startswith(("<", _STDLIB, _LIHIL)) or "site-packages" in file)


def _describe(frame: FrameType) -> str:
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line).strip()
    return f"{file}:{line} in {frame.f_code.co_qualname}" + (f": {source}" if source else "")
