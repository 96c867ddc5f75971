"""Importing what a command needs, without looking for garbage meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Import modules in here: what they define stays, and to look for garbage among it is 7 % of a command's start.

    Nor is it looked at later on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
