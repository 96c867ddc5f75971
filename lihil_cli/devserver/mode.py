"""Where new workers come from, decided from what is known about the machine and the app."""

from collections.abc import Collection, Mapping
from enum import Enum

from lihil_cli.record import Record


class Mode(Enum):
    """The value of --reload-mode."""

    FORK = "fork"
    STANDBY = "standby"
    COLD = "cold"


_AUTO = "auto"

# Tools that have to see a program from its first line on, or that a fork would take by surprise: the top-level module
# that gives each away, and what to call it.
_COLD_MODULES = {
    "coverage": "coverage",
    "debugpy": "a debugger",
    "pydevd": "a debugger",
    "_pydevd_bundle": "a debugger",
    "ddtrace": "ddtrace",
    "gevent.monkey": "gevent",
    "eventlet.patcher": "eventlet",
}
_COLD_VARIABLES = {
    "COVERAGE_PROCESS_START": "coverage",
    "COVERAGE_PROCESS_CONFIG": "coverage",
    "DEBUGPY_RUNNING": "a debugger",
    "PYDEVD_LOAD_VALUES_ASYNC": "a debugger",
}


class Choice(Record):
    """A mode, and why it is that one; `is_forced` when the user said so, and nothing that is learned changes it."""

    mode: Mode
    why: str
    is_forced: bool = False

    @property
    def line(self) -> str:
        """What the terminal is told."""
        return f"reload by {self.mode.value}: {self.why}"


_MEANS = {
    Mode.FORK: "the next worker is forked ahead",
    Mode.STANDBY: "the next worker is started ahead",
    Mode.COLD: "every worker starts anew",
}


def choose_mode(wanted: str, *, platform: str, modules: Collection[str], environ: Mapping[str, str]) -> Choice:
    """The mode to begin in. `modules` are those loaded where no app is yet: a debugger's, say."""
    if wanted != _AUTO:
        mode = Mode(wanted)
        if mode is Mode.FORK and platform == "win32":
            return Choice(Mode.STANDBY, "Windows cannot fork")
        return Choice(mode, f"{_MEANS[mode]}, as was asked for", is_forced=True)
    tool = cold_tool(modules) or next((name for key, name in _COLD_VARIABLES.items() if environ.get(key)), "")
    if tool:
        return Choice(Mode.COLD, f"{_MEANS[Mode.COLD]}, because {tool} is in play")
    if platform != "linux":
        name = {"darwin": "macOS", "win32": "Windows"}.get(platform, platform)
        return Choice(Mode.STANDBY, f"{_MEANS[Mode.STANDBY]}, because fork is not safe on {name}")
    return Choice(Mode.FORK, _MEANS[Mode.FORK])


def change_mode(mode: Mode, *, modules: Collection[str] = (), threaded: str = "") -> Choice | None:
    """The mode to go on in after something was learned about the app; None when it stays.

    `modules` are those that the app has imported, `threaded` one that starts a thread when it is imported.
    """
    tool = cold_tool(modules)
    if tool and mode is not Mode.COLD:
        return Choice(Mode.COLD, f"{_MEANS[Mode.COLD]}, because the app uses {tool}")
    if threaded and mode is Mode.FORK:
        return Choice(
            Mode.STANDBY, f"{_MEANS[Mode.STANDBY]}, because {threaded} starts a thread, which no fork survives"
        )
    return None


def cold_tool(modules: Collection[str]) -> str:
    """The tool among these modules that has to see a program from its first line on; "" for none."""
    return next((tool for name, tool in _COLD_MODULES.items() if name in modules), "")
