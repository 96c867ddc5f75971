"""What every process of the dev server is told when it starts."""

from dataclasses import asdict, dataclass
from pathlib import Path

from lihil_cli.devserver.messages import Message
from lihil_cli.loader import Target


@dataclass(frozen=True, slots=True)
class DevPlan:
    """How to serve one app while it is being written. `token` opens `/_lihil/`, `argv` is the command line's."""

    target: Target
    log_level: str
    colour: bool
    token: str
    argv: tuple[str, ...]

    def to_message(self) -> Message:
        """As plain values for a process that has inherited nothing."""
        target = {"module": self.target.module, "attribute": self.target.attribute, "root": str(self.target.root)}
        return {**asdict(self), "target": target, "argv": list(self.argv)}


def read_plan(message: Message) -> DevPlan:
    """The plan that was sent as `DevPlan.to_message`."""
    target = message["target"]
    return DevPlan(
        target=Target(target["module"], target["attribute"], Path(target["root"])),
        log_level=message["log_level"],
        colour=message["colour"],
        token=message["token"],
        argv=tuple(message["argv"]),
    )
