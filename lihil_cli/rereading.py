"""What becomes of the settings when a server reads them again: which count from then on, and what is said of it."""

from collections.abc import Collection
from typing import Any, Final

from lihil_cli.settings import Setting, Settings
from lihil_cli.settings_table import as_text

FIXED: Final = ("app", "host", "port", "uds", "uds_mode", "fd", "reload", "reload_mode")
"""What a running server keeps, besides whether it speaks TLS: its socket is bound, and clients know its URL."""


def reread(
    before: Settings, now: Settings, *, fixed: Collection[str] = FIXED, idle: Collection[str] = ()
) -> tuple[Settings, list[str]]:
    """The settings to go on with, and a line for each that is not what it was.

    `fixed` stay what they were; of the `idle`, which mean nothing to this server, nothing is said.
    """
    kept: dict[str, Any] = {}
    lines = []
    former = {name: as_text(value) for name, value, _ in before.listed()}
    for name, value, source in now.listed():
        old: Setting[Any] = getattr(before, name)
        new: Setting[Any] = getattr(now, name)
        if old.value == new.value or name in idle:
            continue
        if name in fixed or (name == "tls_cert" and None in {old.value, new.value}):
            kept[name] = old
            lines.append(f"note: {name} stays {former[name]}; {as_text(value)} ({source}) takes a new start")
        else:
            lines.append(f"{name} is {as_text(value)} from now on ({source}), and was {former[name]}")
    return now.but(**kept), lines
