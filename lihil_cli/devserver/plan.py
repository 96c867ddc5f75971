"""What every process of the dev server is told when it starts."""

import sys
from pathlib import Path
from typing import Any

from lihil_cli.console import colour_allowed
from lihil_cli.devserver.messages import Message
from lihil_cli.loader import Target, find_target
from lihil_cli.record import Record
from lihil_cli.settings import Rank, Settings


class DevPlan(Record):
    """How to serve one app while it is being written; plain values, so that every process can be sent it.

    `token` opens `/_lihil/`, `argv` is the command line's, `certificate` the files of chain and key and the password,
    `start_timeout_s` what a start may take if that was asked for: by default it may stand in a debugger.
    """

    target: Target
    log_level: str
    colour: bool
    token: str
    argv: tuple[str, ...]
    certificate: tuple[str, str | None, str] | None = None
    proxies: str | None = None
    env_files: tuple[str, ...] = ()
    root_path: str = ""
    access_log: bool = True
    start_timeout_s: float | None = None

    def to_message(self) -> Message:
        """As plain values for a process that has inherited nothing."""
        values: dict[str, Any] = dict(vars(self))
        target = {"module": self.target.module, "attribute": self.target.attribute, "root": str(self.target.root)}
        return {**values, "target": target}


def read_plan(message: Message) -> DevPlan:
    """The plan that was sent as `DevPlan.to_message`."""
    target = message["target"]
    certificate = message["certificate"]
    values = {
        "target": Target(target["module"], target["attribute"], Path(target["root"])),
        "argv": tuple(message["argv"]),
        "env_files": tuple(message["env_files"]),
        "certificate": None if certificate is None else tuple(certificate),
    }
    return DevPlan(**{**message, **values})


def plan_for(settings: Settings, token: str) -> DevPlan:
    """The plan that the settings ask for. Raises CliError for what is not there or does not fit together."""
    target = find_target(settings.app.value, settings.root)
    if _has_rare_settings(settings):
        from lihil_cli.serving.planning import make_plan  # with the server, which a supervisor does without otherwise

        make_plan(settings, target)
    chain, key = settings.tls_cert.value, settings.tls_key.value
    password = settings.tls_key_password.value or ""
    return DevPlan(
        target,
        settings.log_level.value,
        colour_allowed(sys.stderr),
        token,
        tuple(sys.argv),
        certificate=None if chain is None else (str(chain), None if key is None else str(key), password),
        proxies=settings.forwarded_allow_ips.value if settings.proxy_headers.value else None,
        env_files=tuple(map(str, settings.env_file.value)),
        root_path=settings.root_path.value,
        access_log=settings.access_log.value,
        start_timeout_s=None if settings.start_timeout.rank is Rank.DEFAULT else settings.start_timeout.value,
    )


def _has_rare_settings(settings: Settings) -> bool:
    """Whether something is set that may be wrong in itself, or without something else."""
    tls = (settings.tls_cert, settings.tls_key, settings.tls_key_password)
    rare = (*tls, settings.forwarded_allow_ips, settings.uds_mode)
    return any(setting.rank is not Rank.DEFAULT for setting in rare)
