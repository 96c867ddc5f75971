"""The documents tell the truth: every example in them is run, and what it prints is what they say.

A `python` block is a script. A `console` block is a terminal: `$ command`, then all that it prints, where a line `...`
stands for any lines; a command that ends with `&` runs until the block ends. A `text` block is a picture, and an `ini`
or `nginx` block a file for another program; a `wst` block is a script, which tests/docs/test_ws_scripts.py runs. Of the
commands in `sh` blocks those of ours are read, not run.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lihil_cli.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = (
    "python3 dev.py",
    "python benchmarks/",
    "nice -n -10 python benchmarks/",
    "pip install -r benchmarks/",
    "lihil run ",
)
OTHER_PROGRAMS = {"curl", "granian", "gunicorn", "hypercorn", "systemd-socket-activate", "uvicorn"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; it is named by its document and its number there."""

    name: str
    language: str
    text: str


@dataclass
class Step:
    """One command of a terminal and the lines that follow it."""

    command: str
    printed: list[str] = field(default_factory=list)


def blocks_of(document: Path) -> list[Block]:
    found = enumerate(FENCE.findall(document.read_text("utf-8")), 1)
    return [Block(f"{document.name}-{number}", language, text) for number, (language, text) in found]


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def blocks_in(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def steps_of(block: Block) -> list[Step]:
    steps: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        else:
            steps[-1].printed.append(line)
    return steps


def pattern_of(printed: list[str]) -> str:
    """A regular expression for a step's lines; `...` is any number of lines."""
    return "".join(r"(?:.*\n)*?" if line.strip() == "..." else re.escape(f"{line}\n") for line in printed)


class Terminal:
    """A folder, and the commands that are run in it one after the other."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIHIL_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        # A reader's server has port 8000 to itself; a test's takes what is free and is found through dev.json.
        self.env = kept | {"PATH": path, "NO_COLOR": "1", "LIHIL_PORT": "0", "GIT_CONFIG_GLOBAL": os.devnull}
        identity = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
        self.env |= dict.fromkeys(identity, "me")

    def do(self, step: Step) -> None:
        words = shlex.split(step.command, comments=True)
        if words[0] == "cd":
            self.folder /= words[1]
        elif words[-1] == "&":
            self.serve(words[:-1])
        else:
            done = subprocess.run(
                words,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert re.fullmatch(pattern_of(step.printed), done.stdout), f"$ {step.command}\n{done.stdout}"

    def serve(self, words: list[str]) -> None:
        log = self.folder.parent / "server.log"
        said = self.stack.enter_context(log.open("wb"))
        server = subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=said, stderr=said)
        self.stack.callback(server.wait, 30)
        self.stack.callback(server.terminate)
        deadline = time.monotonic() + 60
        while not (self.folder / ".lihil" / "schema.json").exists():  # which is written behind dev.json
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


@pytest.mark.parametrize("block", blocks_in("python"), ids=lambda block: block.name)
def test_a_python_example_runs_as_it_is_printed(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(block.text)
    done = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks_in("console"), ids=lambda block: block.name)
def test_a_terminal_shows_what_its_commands_print(block: Block, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with ExitStack() as stack:
        terminal = Terminal(tmp_path / "work", stack)
        for step in steps_of(block):
            terminal.do(step)


def test_every_block_says_how_it_is_checked() -> None:
    assert {block.language for block in BLOCKS} <= {"python", "console", "sh", "text", "toml", "wst", "ini", "nginx"}


def test_the_commands_that_are_not_run_here_are_those_that_run_everything_or_measure() -> None:
    lines = [line.split("#")[0].strip() for block in blocks_in("sh") for line in block.text.splitlines()]
    ours = {line for line in lines if not line.startswith(NOT_RUN)}
    assert {line.split()[0] for line in ours} <= OTHER_PROGRAMS


def served_commands() -> list[str]:
    """What the documents tell to serve with, also inside a unit of systemd's or behind its tool."""
    lines = [line for block in blocks_in("sh") + blocks_in("ini") for line in block.text.splitlines()]
    found = (re.search(r"\blihil run( [^#\n]*)?", line) for line in lines)
    return sorted({match[0].strip() for match in found if match})


@pytest.mark.parametrize("command", served_commands())
def test_a_command_that_serves_has_options_that_there_are(command: str, tmp_path: Path) -> None:
    words = [*shlex.split(command.removeprefix("lihil ")), "--show-settings"]
    with ExitStack() as stack:
        env = Terminal(tmp_path, stack).env
        done = subprocess.run([sys.executable, "-m", "lihil_cli", *words], cwd=tmp_path, env=env, check=False)
        assert done.returncode == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_into_the_project_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [int(code) for code in table] == sorted(ExitCode)
