"""Settings of `lihil run`: shown with their sources, and what some of them do."""

import json
import urllib.request
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import DEADLINE_S, Launch, get
from tests.lihil_cli.commands.stage import get_over

FORWARDED = {"x-forwarded-for": "6.6.6.6, 1.2.3.4", "x-forwarded-proto": "https"}


def ask(address: str, path: str, **headers: str) -> str:
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        return str(answer.read().decode())


def test_every_setting_is_shown_with_its_source_and_nothing_is_served(launch: Launch, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.lihil]\nworkers = 3\nuds = "run/\\u202eapp.sock"\n')
    variables = tmp_path / ".env"
    variables.write_text("LIHIL_DRAIN=20\n")
    server = launch("run", "--port", "1", "--env-file", ".env", "--show-settings", LIHIL_LOG_LEVEL="debug")
    assert server.ends() == 0
    rows = {line.split()[0]: line.split()[1:] for line in server.said.splitlines()}
    assert rows["port"] == ["1", "--port"]
    assert rows["log_level"] == ["debug", "LIHIL_LOG_LEVEL"]
    assert rows["drain"] == ["20", str(variables)]
    assert rows["workers"] == ["3", str(project)]
    assert rows["uds"] == [f"{tmp_path}/run/\\u202eapp.sock", str(project)]
    assert rows["env_file"] == [str(variables), "--env-file"]
    assert rows["reload"] == ["false", "default"]
    assert rows["app"] == ["-", "default"]
    assert len(rows) == 21


def test_they_are_shown_as_json_too(launch: Launch, tmp_path: Path) -> None:
    server = launch("run", "shop:app", "--show-settings", "--json")
    assert server.ends() == 0
    shown = json.loads(server.said)
    assert shown["app"] == {"value": "shop:app", "source": "APP"}
    assert shown["port"] == {"value": 8000, "source": "default"}
    assert shown["uds"] == {"value": None, "source": "default"}


@pytest.mark.parametrize("mode", [[], ["--reload"]])
def test_env_files_reach_the_app_and_the_environment_wins(launch: Launch, stage: Path, mode: list[str]) -> None:
    (stage.parent / "base.env").write_text("STAGE=file\nSTAGE_TOO=base\n")
    (stage.parent / "live.env").write_text("STAGE_TOO=${STAGE_TOO}-live\n")
    files = ("--env-file", "base.env", "--env-file", "live.env")
    server = launch("run", "--port", "0", *files, *mode, STAGE="environment")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address, "/variable") == b"environment base-live"


def test_routes_are_listed_with_the_env_file_too(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "live.env").write_text("STAGE=rooms\n")
    source = "import os\nfrom lihil import Lihil, Route\napp = Lihil(Route(os.environ['STAGE']))\n"
    (tmp_path / "main.py").write_text(source)
    server = launch("routes", LIHIL_ENV_FILE="live.env")
    assert server.ends() == 0, server.said


def test_what_is_set_for_the_server_reaches_the_app(launch: Launch, stage: Path) -> None:
    proxies = ("--proxy-headers", "--forwarded-allow-ips", "127.0.0.0/8,1.2.3.4")
    server = launch("run", "--port", "0", *proxies, "--root-path", "/shop", "--no-access-log")
    server.wait_for("Ctrl-C stops it")
    assert ask(server.address, "/client", **FORWARDED) == "6.6.6.6 https"
    assert get(server.address, "/paths") == b"/shop /shop/paths"
    assert "GET /" not in server.said


def test_nobody_is_believed_about_a_client_without_being_asked_to(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert ask(server.address, "/client", **FORWARDED) == "127.0.0.1 http"
    server.wait_for("GET /")


def test_a_proxy_on_a_unix_socket_is_believed_when_proxies_are(launch: Launch, stage: Path) -> None:
    server = launch("run", "--uds", "app.sock", "--proxy-headers")
    server.wait_for("Ctrl-C stops it")
    answer = get_over(stage.parent / "app.sock", "/client", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https")
    assert answer == "1.2.3.4 https"
