"""When a debugger has the keyboard; in a process of its own, because a debugger changes how Python runs."""

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lihil_cli.devserver.messages import Link

PROGRAM = """\
import socket, sys
from lihil_cli.devserver.debugger import lend_keyboard
from lihil_cli.devserver.messages import Link

lend_keyboard(Link(socket.socket(fileno=int(sys.argv[1]))))

def other():
    print("other stops in", sys._getframe(1).f_code.co_name)

def handler():
    breakpoint()
    answer = 42
    return answer

handler()
handler()
"""
LENT, BACK = {"breakpoint": True}, {"breakpoint": False}


def run(folder: Path, typed: str, **environ: str) -> tuple[list[dict[str, Any]], str]:
    """What was told over the link, its notes as their first words, and what was printed."""
    (folder / "program.py").write_text(PROGRAM)
    near, far = socket.socketpair()
    with near, far:
        command = [sys.executable, "program.py", str(far.fileno())]
        done = subprocess.run(
            command,
            cwd=folder,
            input=typed,
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONSAFEPATH": "", **environ},
            pass_fds=[far.fileno()],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        far.close()
        told, link = [], Link(near)
        while (messages := link.receive()) is not None:
            told += messages
    return told, done.stdout


def test_each_debugger_gives_it_back_when_it_goes_on_for_good_and_says_so_once_when_it_may_stop_again(
    tmp_path: Path,
) -> None:
    told, printed = run(tmp_path, "c\nb 13\nc\nc\n")
    assert told[:3] == [LENT, BACK, LENT]
    assert "has breakpoints" in told[3]["note"]
    assert len(told) == 4
    assert len(re.findall(r"program\.py\(1[12]\)handler\(\)", printed)) == 2
    assert printed.count("program.py(13)handler()") == 1
    assert "debugger.py" not in printed


@pytest.mark.parametrize(
    ("hook", "told", "printed"),
    [("0", [], ""), ("__main__.other", [LENT, LENT], "other stops in handler\nother stops in handler\n")],
)
def test_what_breakpoint_calls_instead_is_called_as_ever(
    tmp_path: Path, hook: str, told: list[object], printed: str
) -> None:
    found, said = run(tmp_path, "", PYTHONBREAKPOINT=hook)
    assert ([one for one in found if "note" not in one], said) == (told, printed)
