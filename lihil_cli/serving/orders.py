"""What the parent of a serving process can want of it."""

from dataclasses import dataclass
from enum import Enum


class Order(Enum):
    """How to end: at leisure, for a person who waits, or because another process takes over."""

    STOP = "stop"
    HURRY = "hurry"
    REPLACE = "replace"


@dataclass(slots=True)
class Orders:
    """The parent's latest word; the server looks at it when SIGTERM arrives."""

    latest: Order = Order.STOP
