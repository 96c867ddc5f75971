"""How a server ends: what happens when, counted from the moment it is told to. Decided here, done in `serve`.

told ──▶ WebSockets hear of it in batches ──▶ cancel_s: what still runs is cancelled
     ──▶ abandon_s: and waited for no longer ──▶ the lifespan's shutdown ──▶ end_s: over, whatever happens
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

MAX_RATE: Final = 200
"""How many WebSockets a second are told, as long as the time allows: each of them comes back at once, to somebody."""

BATCH_S: Final = 0.05
"""From one batch to the next."""

_RESERVE_S: Final = 2.0  # of a bound, for handlers that clean up and for the lifespan's shutdown


@dataclass(frozen=True, slots=True)
class Drain:
    """The bounds of one end, in seconds after it began; each is at least the one before it."""

    spread_s: float
    cancel_s: float
    abandon_s: float
    end_s: float


def drain_within(bound_s: float) -> Drain:
    """An end that is over after `bound_s` seconds, most of them for requests and WebSockets to end by themselves."""
    reserve_s = min(_RESERVE_S, bound_s / 4)
    cancel_s = bound_s - reserve_s
    return Drain(cancel_s / 2, cancel_s, cancel_s + reserve_s / 2, bound_s)


def hurry(drain: Drain) -> Drain:
    """The same end for a person who waits: well below a second, but for a lifespan's shutdown that takes longer."""
    return replace(drain, spread_s=0.0, cancel_s=0.3, abandon_s=0.5, end_s=max(drain.end_s, 0.7))


def plan_batches(count: int, spread_s: float, chance: Callable[[], float]) -> list[tuple[float, int]]:
    """When to tell how many of `count` WebSockets: (seconds from the start, how many), in order.

    `chance` gives numbers from 0 up to, not including, 1: a batch's place in its slice of the time, so that servers
    which stop together do not send their clients away in step.
    """
    window_s = min(spread_s, count / MAX_RATE)
    batches = max(1, min(count, math.ceil(window_s / BATCH_S)))
    slice_s = window_s / batches
    ends = [count * (index + 1) // batches for index in range(batches)]
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return [((index + chance()) * slice_s, size) for index, size in enumerate(sizes)]
