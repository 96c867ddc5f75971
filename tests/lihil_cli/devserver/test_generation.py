"""Real workers, by their links."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lihil_cli.devserver.children import start_child
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.loader import Target

BARE = DevPlan(Target("main", "app", Path("/nowhere")), "info", colour=False, token="", argv=("lihil",))
GONE = {
    "zygote": (BARE.but(env_files=("/nowhere/.env",)), "env file /nowhere/.env cannot be read"),
    "standby": (BARE.but(certificate=("/nowhere/x.pem", None, "")), "TLS file /nowhere/x.pem cannot be read"),
}


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[Link]:
    """The link to a worker that was started in this way, with this plan."""
    kind, plan = request.param, GONE[request.param][0]
    child, end = start_child(kind)
    ours, theirs = socket.socketpair()
    with closing(Link(end)) as link, ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        link.send({"plan": plan.to_message(), "packages": [], "setting": ""}, [listener.fileno()])
        if kind == "zygote":
            link.send({"fork": 1}, [theirs.fileno()])
            theirs.close()
        yield Link(ours) if kind == "zygote" else link
    child.wait()


def all_messages(link: Link) -> list[Message]:
    """All that is said until the end."""
    found = []
    while (messages := link.receive()) is not None:
        found += messages
    return found


@pytest.mark.parametrize("worker", GONE, indirect=True)
def test_a_file_that_is_gone_since_the_settings_were_read_is_told_in_words(
    worker: Link, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    worker.send({"word": "load"})
    *_, message = all_messages(worker)
    words = GONE[request.node.callspec.params["worker"]][1]
    assert message["failed"]["summary"].startswith(words)
    assert message["failed"]["text"].startswith(f"error: {words}: No such file or directory")
    assert message["imports"]["files"] == []
    assert capfd.readouterr().err == ""
