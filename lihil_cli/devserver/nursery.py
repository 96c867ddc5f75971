"""Where workers come from: forked from a zygote, or started as processes of their own."""

import os
import signal
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress

from lihil_cli.devserver.children import Child, drop_head_start, reap_orphans, start_child, take_zygote
from lihil_cli.devserver.memory import NOTHING, Memory, find_named, forget_memory, read_memory, write_memory
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.mode import Mode
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.errors import how_it_ended


class Nursery:
    """Starts workers and hears of their end. `packages` is what was learned.

    `setting` is the change of the environment that the app makes behind these packages, see Variables.
    """

    def __init__(self, plan: DevPlan, listener: socket.socket, mode: Mode) -> None:
        self.plan = plan
        self.mode = mode
        self.packages: dict[str, None] = {}
        self.setting = ""
        self._memory = NOTHING  # what this zygote has loaded
        self._kept = self._memory  # what the file says
        self._files: Collection[str] = ()
        self._listener = listener
        self._zygote: Child | None = None
        self._left: list[Child] = []  # zygotes before it, until they have ended
        self._processes: dict[int, Child] = {}
        self._forked: set[int] = set()
        self._pids: dict[int, int] = {}
        self._doomed: set[int] = set()
        self.zygote_link: Link | None = None
        if mode is Mode.FORK:
            self._start_zygote()
            self._remember()
        else:
            drop_head_start()

    def launch(self, worker: int, *, fresh: bool) -> Link:
        """Start the process of a worker, which inherits nothing learned when `fresh`; returns our end of its link."""
        if fresh:
            self.packages.clear()
            self.setting = ""
        if self.mode is not Mode.FORK:
            self._processes[worker], end = start_child("standby")
            link = Link(end, never_waits=True)
            packages = [] if self.mode is Mode.COLD else list(self.packages)
            order = {"plan": self.plan.to_message(), "packages": packages, "setting": self.setting}
            link.send(order, [self._listener.fileno()])
            return link
        if fresh or self.zygote_link is None:
            self._start_zygote()
        ours, theirs = socket.socketpair()
        with theirs:
            self._forked.add(worker)
            self._tell_zygote({"fork": worker}, [theirs.fileno()])
        return Link(ours, never_waits=True)

    def change_mode(self, mode: Mode) -> None:
        """Start workers in another way from now on."""
        self.mode = mode
        if mode is Mode.COLD:  # nor is anything to be loaded ahead in the next run
            forget_memory(self.plan.target)

    def _remember(self) -> None:
        """Let the zygote load what the app needed when it last ran: even the first worker is forked behind that."""
        memory = read_memory(self.plan.target)
        if memory is not None and memory.packages:
            self._kept, self.setting = memory, memory.setting
            self._memory = Memory([], memory.setting, memory.named)
            self.packages.update(dict.fromkeys(memory.packages))
            self._tell_zygote({"learn": memory.packages, "setting": memory.setting, "ahead": True})

    def learn(self, packages: Sequence[str], setting: str, files: Collection[str]) -> bool:
        """Let what is started from now on have loaded these packages; False when all of them are known.

        `setting` is what the app sets behind them, `files` those that it is made of.
        """
        self.setting, self._files = setting, files
        new = [name for name in packages if name not in self.packages]
        self.packages.update(dict.fromkeys(new))
        if new and self.mode is Mode.FORK:
            self._tell_zygote({"learn": new, "setting": setting})
        return bool(new)

    def _keep(self, learned: Sequence[str]) -> None:
        """For the next run, what the zygote has loaded by now; what it could not load is tried no more."""
        loaded = [*self._memory.packages, *learned]
        named = {**find_named(loaded, self._files), **self._memory.named}  # an import that goes makes the whole untrue
        self._memory = Memory(loaded, self.setting, named)
        if self._memory != self._kept:
            self._kept = self._memory
            write_memory(self.plan.target, self._memory)

    def kill(self, worker: int) -> bool:
        """End a worker at once; False when nobody will tell of its end: it counts as ended, then."""
        process = self._processes.get(worker)
        if process is not None:
            process.kill()
        elif worker in self._pids:
            with suppress(ProcessLookupError):
                os.kill(self._pids[worker], signal.SIGKILL)
        else:  # asked for, and not yet forked; a zygote may take its time
            self._doomed.add(worker)
            return False
        return self.has_reaper(worker)

    def receive(self) -> list[Message]:
        """News of the zygote, to be called when its link can be read; its end is no news, the next launch mends it."""
        if self.zygote_link is None:
            return []
        messages = self.zygote_link.receive()
        if messages is None:
            self._leave_zygote()
            return []
        for message in messages:
            if "forked" in message:
                self._pids[message["forked"]] = message["pid"]
                if message["forked"] in self._doomed:
                    self._doomed.discard(message["forked"])
                    self.kill(message["forked"])
            elif "learned" in message:
                self._keep(message["learned"])
            elif "ended" in message:
                message["how"] = message.get("how") or how_it_ended(message["code"])
        return messages

    def reap(self) -> list[Message]:
        """Workers that have ended, of those that are processes of their own."""
        self._left = [zygote for zygote in self._left if zygote.poll() is None]
        if self._zygote is not None:
            self._zygote.poll()
        ended = {worker: process.poll() for worker, process in self._processes.items()}
        if os.getpid() == 1:  # of a container, which inherits what its zygotes have left behind
            known = [*self._left, *filter(None, [self._zygote]), *self._processes.values()]
            reap_orphans({child.pid for child in known})
        return [{"ended": worker, "how": how_it_ended(code)} for worker, code in ended.items() if code is not None]

    def has_reaper(self, worker: int) -> bool:
        """Whether the end of this worker will be told by somebody else than its link."""
        return worker in self._processes or worker in self._forked

    def has_begun(self, worker: int) -> bool:
        """Whether this worker ever came to life, as far as is known: a zygote may have died before it forked it."""
        return worker in self._processes or worker in self._pids

    def close(self) -> None:
        """Let the zygote end."""
        self._leave_zygote()
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote.wait()

    def forget(self, worker: int) -> None:
        """This worker has ended."""
        self._processes.pop(worker, None)
        self._forked.discard(worker)
        self._pids.pop(worker, None)

    def _start_zygote(self) -> None:
        self._leave_zygote()
        if self._zygote is not None:
            self._left.append(self._zygote)
        self._zygote, end = take_zygote()
        self.zygote_link = Link(end, never_waits=True)
        self._tell_zygote({"plan": self.plan.to_message()}, [self._listener.fileno()])

    def _leave_zygote(self) -> None:
        """Its workers live on; from now on their links alone say when they end."""
        link, self.zygote_link = self.zygote_link, None
        if link is not None:
            link.close()
        self._forked.clear()
        self.packages.clear()
        self._memory = NOTHING

    def _tell_zygote(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        if self.zygote_link is not None:
            self.zygote_link.send(message, descriptors)
