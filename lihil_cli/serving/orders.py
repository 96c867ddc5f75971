"""What can be wanted of a serving process."""

from enum import Enum


class Order(Enum):
    """How to end: at leisure, for a person who waits, or because another process takes over."""

    STOP = "stop"
    HURRY = "hurry"
    REPLACE = "replace"
