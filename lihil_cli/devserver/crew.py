"""The workers as the supervisor knows them: their links, and what each has said of itself."""

import select
import selectors
from collections.abc import Callable, Iterator
from contextlib import suppress

from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.nursery import Nursery

HANG_UP_S = 0.3
"""A worker that has closed its link has ended, though it is not told: who is to tell it may be busy for longer."""


class Member:
    """A worker's link, and what is known of it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.loaded_at = 0.0
        self.app = ""  # that it was told to load
        self.has_begun = False  # with the code; until then it can end for no reason of the code's
        self.routes: list[tuple[str, str]] | None = None
        self.told_files: list[str] | None = None
        self.hung_up_at: float | None = None


class Crew:
    """All workers that have a link. `hear` is called with the number of one that may have said something."""

    def __init__(self, nursery: Nursery, selector: selectors.BaseSelector, hear: Callable[[int], None]) -> None:
        self._nursery = nursery
        self._selector = selector
        self._hear = hear
        self._members: dict[int, Member] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._members))

    def __contains__(self, worker: int) -> bool:
        return worker in self._members

    def get(self, worker: int | None) -> Member | None:
        """A worker that has not ended, as far as is known."""
        return self._members.get(worker or 0)

    def add(self, worker: int, link: Link) -> None:
        """A worker that was started."""
        self._members[worker] = Member(link)
        self._selector.register(link, selectors.EVENT_READ, lambda: self._hear(worker))

    def receive(self, worker: int, now: float) -> list[Message]:
        """What a worker has said; nothing once it has hung up."""
        member = self._members.get(worker)
        if member is None or member.hung_up_at is not None:  # gone since the selector looked
            return []
        messages = member.link.receive()
        if messages is None:
            self._selector.unregister(member.link)
            member.hung_up_at = now
        return messages or []

    def may_say_more(self, worker: int) -> bool:
        """Whether there is something to be received from it, its end included."""
        member = self._members.get(worker)
        return member is not None and member.hung_up_at is None and bool(select.select([member.link], [], [], 0)[0])

    def drop(self, worker: int) -> bool:
        """Forget a worker that has ended; True when it had begun with the code, as far as is known."""
        has_begun = self._nursery.has_begun(worker)
        member = self._members.pop(worker, None)
        self._nursery.forget(worker)
        if member is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(member.link)
            member.link.close()
        return has_begun and member is not None and member.has_begun

    @property
    def deadline(self) -> float | None:
        """When `lost` may find one, if nothing is heard before."""
        hung_up = (member.hung_up_at for member in self._members.values())
        return min((at + HANG_UP_S for at in hung_up if at is not None), default=None)

    def lost(self, now: float) -> list[int]:
        """Those that have hung up, and of whose end nobody else tells, or not in time."""
        return [
            worker
            for worker, member in self._members.items()
            if member.hung_up_at is not None
            and (now >= member.hung_up_at + HANG_UP_S or not self._nursery.has_reaper(worker))
        ]


def wait(selector: selectors.BaseSelector, patience_s: float | None) -> list[selectors.SelectorKey]:
    """What can be read, once there is something; meanwhile links get on with what they have not sent yet."""
    for key in list(selector.get_map().values()):
        if isinstance(key.fileobj, Link):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if key.fileobj.is_behind else 0)
            if events != key.events:
                selector.modify(key.fileobj, events, key.data)
    ready = selector.select(patience_s)
    for key, events in ready:
        if events & selectors.EVENT_WRITE and isinstance(key.fileobj, Link):
            key.fileobj.send_rest()
    return [key for key, events in ready if events & selectors.EVENT_READ]
