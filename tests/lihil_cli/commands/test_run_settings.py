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


@pytest.mark.parametrize("mode", [[], ["--workers", "2"], ["--reload"]])
def test_the_env_file_reaches_the_app_and_the_environment_wins(launch: Launch, stage: Path, mode: list[str]) -> None:
    (stage.parent / "live.env").write_text("STAGE=file\nSTAGE_TOO=file\n")
    server = launch("run", "--port", "0", "--env-file", "live.env", *mode, STAGE="environment")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address, "/variable") == b"environment file"


def test_routes_are_listed_with_the_env_file_too(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "live.env").write_text("STAGE=rooms\n")
    source = "import os\nfrom lihil import Lihil, Route\napp = Lihil(Route(os.environ['STAGE']))\n"
    (tmp_path / "main.py").write_text(source)
    server = launch("routes", LIHIL_ENV_FILE="live.env")
    assert server.ends() == 0, server.said


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ([], "127.0.0.1 http"),
        (["--proxy-headers"], "1.2.3.4 https"),
        (["--proxy-headers", "--forwarded-allow-ips", "10.0.0.0/8"], "127.0.0.1 http"),
        (["--proxy-headers", "--forwarded-allow-ips", "127.0.0.0/8,1.2.3.4"], "6.6.6.6 https"),
        (["--proxy-headers", "--forwarded-allow-ips", "*"], "6.6.6.6 https"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(
    launch: Launch, stage: Path, arguments: list[str], seen: str
) -> None:
    server = launch("run", "--port", "0", *arguments)
    server.wait_for("Ctrl-C stops it")
    assert ask(server.address, "/client", **FORWARDED) == seen


@pytest.mark.parametrize(("arguments", "seen"), [([], "None http"), (["--proxy-headers"], "1.2.3.4 https")])
def test_a_proxy_on_a_unix_socket_is_believed_when_proxies_are(
    launch: Launch, stage: Path, arguments: list[str], seen: str
) -> None:
    server = launch("run", "--uds", "app.sock", *arguments)
    server.wait_for("Ctrl-C stops it")
    answer = get_over(stage.parent / "app.sock", "/client", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https")
    assert answer == seen


def test_an_app_knows_below_which_path_it_is_served(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--root-path", "/shop")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address, "/paths") == b"/shop /shop/paths"


def test_a_server_may_keep_silent_about_requests(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--no-access-log")
    server.wait_for("Ctrl-C stops it")
    get(server.address)
    assert "GET /" not in server.said


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--json"], {}, "--json belongs to --show-settings"),
        (["--drain", "4000"], {}, "--drain takes seconds from 0 to 3600, not 4000.0"),
        ([], {"LIHIL_START_TIMEOUT": "0"}, "LIHIL_START_TIMEOUT takes seconds from 0.1 to 3600, not 0.0"),
        (
            ["--forwarded-allow-ips", "*"],
            {},
            "forwarded_allow_ips (--forwarded-allow-ips) does nothing without proxy_headers",
        ),
        (["--env-file", "absent"], {}, "env file {folder}/absent cannot be read: No such file or directory"),
        (["--root-path", "x"], {}, "--root-path takes a path such as '/api'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_source(
    launch: Launch, stage: Path, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    server = launch("run", "--port", "0", *arguments, **environ)
    assert server.ends() == 2
    assert server.said.startswith(f"error: {message.format(folder=stage.parent)}")
