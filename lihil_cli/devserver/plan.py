"""What every process of the dev server is told when it starts."""

import base64
import pickle
from dataclasses import dataclass
from pathlib import Path

from lihil_cli.devserver.messages import Message
from lihil_cli.loader import Target
from lihil_cli.proxies import Proxies
from lihil_cli.serving.tls import Certificate


@dataclass(frozen=True, slots=True)
class DevPlan:
    """How to serve one app while it is being written. `token` opens `/_lihil/`, `argv` is the command line's."""

    target: Target
    log_level: str
    colour: bool
    token: str
    argv: tuple[str, ...]
    certificate: Certificate | None = None
    proxies: Proxies | None = None
    env_file: Path | None = None
    root_path: str = ""
    access_log: bool = True

    def to_message(self) -> Message:
        """As plain values for a process that has inherited nothing."""
        return {"pickled": base64.b64encode(pickle.dumps(self)).decode()}


def read_plan(message: Message) -> DevPlan:
    """The plan that was sent as `DevPlan.to_message`, over a link that only our own processes hold."""
    plan: DevPlan = pickle.loads(base64.b64decode(message["pickled"]))  # noqa: S301 - from our own parent
    return plan
