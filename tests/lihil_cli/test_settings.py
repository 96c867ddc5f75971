from collections.abc import Mapping
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.settings import Setting, find_project_file, resolve_settings

ALL_KEYS = """\
[tool.lihil]
app = "shop.main:app"
host = "::1"
port = 9000
reload = true
reload_mode = "fork"
workers = 3
log_level = "debug"
uds = "run/app.sock"
uds_mode = "600"
fd = 3
drain = 20
start_timeout = 5.5
hang_timeout = 0
tls_cert = "tls/cert.pem"
tls_key = "/etc/key.pem"
tls_key_password = "hush"
proxy_headers = true
forwarded_allow_ips = "10.0.0.0/8,unix"
root_path = "/shop"
access_log = false
env_file = "conf/env"
"""

ONE_KEY = "[tool.lihil]\nport = 9000\n"


def project(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    project(tmp_path, "")
    settings = resolve_settings(start=tmp_path, environ={})
    assert settings.root == tmp_path
    assert settings.app == Setting(None, "default")
    assert settings.host == Setting("127.0.0.1", "default")
    assert settings.port == Setting(8000, "default")
    assert settings.reload == Setting(False, "default")
    assert settings.workers == Setting(1, "default")
    assert settings.log_level == Setting("info", "default")


def test_every_key_is_read_from_the_nearest_project_file(tmp_path: Path) -> None:
    project(tmp_path, "[tool.lihil]\nport = 1")
    inner = tmp_path / "inner"
    below = inner / "src" / "shop"
    below.mkdir(parents=True)
    file = str(project(inner, ALL_KEYS))
    (inner / "conf").mkdir()
    (inner / "conf" / "env").touch()
    settings = resolve_settings(start=below, environ={})
    assert settings.root == inner
    assert settings.app == Setting("shop.main:app", file)
    assert settings.host == Setting("::1", file)
    assert settings.port == Setting(9000, file)
    assert settings.reload == Setting(True, file)
    assert settings.reload_mode == Setting("fork", file)
    assert settings.workers == Setting(3, file)
    assert settings.log_level == Setting("debug", file)
    assert settings.uds == Setting(inner / "run/app.sock", file)
    assert settings.uds_mode == Setting("600", file)
    assert settings.fd == Setting(3, file)
    assert settings.drain == Setting(20, file)
    assert settings.start_timeout == Setting(5.5, file)
    assert settings.tls_cert == Setting(inner / "tls/cert.pem", file)
    assert settings.tls_key == Setting(Path("/etc/key.pem"), file)
    assert settings.tls_key_password == Setting("hush", file)
    assert settings.proxy_headers == Setting(True, file)
    assert settings.forwarded_allow_ips == Setting("10.0.0.0/8,unix", file)
    assert settings.root_path == Setting("/shop", file)
    assert settings.access_log == Setting(False, file)
    assert settings.env_file == Setting((inner / "conf/env",), file)
    assert settings.hang_timeout == Setting(0, file)
    assert {source for _, _, source in settings.listed()} == {file}


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({"port": 1}, {"LIHIL_PORT": "2"}, Setting(1, "--port")),
        ({"port": None}, {"LIHIL_PORT": "2"}, Setting(2, "LIHIL_PORT")),
        ({"port": 0}, {}, Setting(0, "--port")),
    ],
)
def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, flags: Mapping[str, object], environ: dict[str, str], expected: Setting[int]
) -> None:
    project(tmp_path, ONE_KEY)
    assert resolve_settings(flags, start=tmp_path, environ=environ).port == expected


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    file = str(project(tmp_path, ONE_KEY))
    assert resolve_settings(start=tmp_path, environ={"LIHIL_PORT": ""}).port == Setting(9000, file)


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("No", False)]
)
def test_a_switch_in_the_environment_is_a_word(tmp_path: Path, text: str, expected: bool) -> None:
    settings = resolve_settings(start=tmp_path, environ={"LIHIL_RELOAD": text})
    assert settings.reload == Setting(expected, "LIHIL_RELOAD")


def test_a_level_in_the_environment_may_be_written_large(tmp_path: Path) -> None:
    settings = resolve_settings({"app": "main:app"}, start=tmp_path, environ={"LIHIL_LOG_LEVEL": "WARNING"})
    assert settings.log_level.value == "warning"
    assert settings.app == Setting("main:app", "APP")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('port = "9000"', ["port takes a whole number from 0 to 65535, not '9000'"]),
        ("port = 65536", ["port takes a whole number from 0 to 65535, not 65536"]),
        ("port = true", ["port takes a whole number from 0 to 65535, not True"]),
        ("workers = 0", ["workers takes a whole number from 1"]),
        ('reload = "yes"', ["reload takes true or false, not 'yes'"]),
        ("app = 1", ["app takes a text such as 'main:app', not 1"]),
        ('host = ""', ["host takes a text such as '127.0.0.1', not ''"]),
        ('log_level = "loud"', ["log_level takes one of critical,", "not 'loud'"]),
        ('uds = ""', ["uds takes a path such as '/run/app/app.sock', not ''"]),
        ("uds_mode = 660", ["uds_mode takes an octal mode in quotes, such as '660', not 660"]),
        ('uds_mode = "888"', ["uds_mode takes an octal mode"]),
        ('uds_mode = "1777"', ["uds_mode takes an octal mode"]),
        ("fd = -1", ["fd takes a whole number from 0 to 65535, not -1"]),
        ("drain = nan", ["drain takes seconds from 0 to 3600, not nan"]),
        ("drain = -1", ["drain takes seconds from 0 to 3600, not -1"]),
        ("start_timeout = 0", ["start_timeout takes seconds from 0.1 to 3600, not 0"]),
        ("tls_cert = 1", ["tls_cert takes a path such as 'cert.pem', not 1"]),
        ('tls_key = "a\\u0000b"', ["tls_key takes a path such as 'key.pem'"]),
        ("tls_key_password = 12345", ["tls_key_password takes a text, not that"]),
        ("proxy_headers = 1", ["proxy_headers takes true or false, not 1"]),
        ('forwarded_allow_ips = "10.0.0.0/33"', ["forwarded_allow_ips takes addresses", "not '10.0.0.0/33'"]),
        ("forwarded_allow_ips = 1", ["forwarded_allow_ips takes addresses", "not 1"]),
        ('root_path = "api/"', ["root_path takes a path such as '/api'"]),
        ('access_log = "no"', ["access_log takes true or false, not 'no'"]),
        ("env_file = 1", ["env_file takes paths such as '.env', not 1"]),
        ("env_file = ['.env', '']", ["env_file takes paths such as '.env', not ['.env', '']"]),
        ("hang_timeout = 0.5", ["hang_timeout takes seconds from 1 to 3600, or 0, not 0.5"]),
        ("hang_timeout = false", ["hang_timeout takes seconds from 1 to 3600, or 0, not False"]),
        ("prot = 1", ["[tool.lihil] has no key 'prot'; did you mean 'port'?"]),
        ('log-level = "info"', ["has no key 'log-level'; did you mean 'log_level'?"]),
        ("colour = 1", ["has no key 'colour'; the keys are app, host, port"]),
    ],
)
def test_a_mistake_in_the_table_is_one_line_that_names_file_and_key(
    tmp_path: Path, table: str, words: list[str]
) -> None:
    file = project(tmp_path, f"[tool.lihil]\n{table}\n")
    with pytest.raises(CliError) as caught:
        resolve_settings(start=tmp_path, environ={})
    assert caught.value.code == 2
    assert "\n" not in caught.value.text
    assert all(word in caught.value.message for word in [str(file), *words])


@pytest.mark.parametrize(
    ("variable", "value", "takes"),
    [
        ("LIHIL_PORT", "x", "a whole number from 0 to 65535, not 'x'"),
        ("LIHIL_PORT", "-1", "a whole number from 0 to 65535, not '-1'"),
        ("LIHIL_PORT", "²", "a whole number from 0 to 65535, not '²'"),
        ("LIHIL_WORKERS", "1.5", "a whole number from 1 to 256, not '1.5'"),
        ("LIHIL_DRAIN", "soon", "seconds from 0 to 3600, not 'soon'"),
        ("LIHIL_DRAIN", "٣", "seconds from 0 to 3600, not '٣'"),
        ("LIHIL_FD", "three", "a whole number from 0 to 65535, not 'three'"),
        ("LIHIL_UDS_MODE", "rw", "an octal mode in quotes, such as '660', not 'rw'"),
        ("LIHIL_ROOT_PATH", "api", "a path such as '/api', without a slash at its end, not 'api'"),
        ("LIHIL_PROXY_HEADERS", "2", "true or false, not '2'"),
        ("LIHIL_FORWARDED_ALLOW_IPS", "me", "addresses and networks such as '10.0.0.0/8,unix', or '*', not 'me'"),
        ("LIHIL_RELOAD", "maybe", "true or false, not 'maybe'"),
        ("LIHIL_LOG_LEVEL", "loud", "one of critical, error, warning, info, debug, trace, not 'loud'"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, variable: str, value: str, takes: str) -> None:
    with pytest.raises(CliError) as caught:
        resolve_settings(start=tmp_path, environ={variable: value})
    assert caught.value.message == f"{variable} takes {takes}"


def test_a_mistake_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"^--log-level takes one of .* not 'loud'$"):
        resolve_settings({"log_level": "loud"}, start=tmp_path, environ={})


@pytest.mark.parametrize(
    ("text", "words"),
    [("[tool", "cannot be read: "), ("tool = 1\n[a]", ""), ("[tool]\nlihil = 3", "tool.lihil is to be a table, not 3")],
)
def test_a_file_that_is_no_toml_or_no_table_is_said_so(tmp_path: Path, text: str, words: str) -> None:
    project(tmp_path, text)
    if not words:
        assert resolve_settings(start=tmp_path, environ={}).port.source == "default"
        return
    with pytest.raises(CliError, match=words):
        resolve_settings(start=tmp_path, environ={})


def test_a_folder_named_like_the_file_is_not_the_file(tmp_path: Path) -> None:
    below = tmp_path / "below"
    (below / "pyproject.toml").mkdir(parents=True)
    file = project(tmp_path, "")
    assert find_project_file(below) == file


def test_the_working_folder_is_where_the_search_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, ONE_KEY)
    monkeypatch.chdir(tmp_path)
    assert resolve_settings(environ={}).port.value == 9000


def test_the_env_file_comes_behind_the_environment_and_before_the_project(tmp_path: Path) -> None:
    project(tmp_path, "[tool.lihil]\nport = 1\nworkers = 1\ndrain = 1\n")
    file = tmp_path / "live.env"
    file.write_text("LIHIL_PORT=2\nLIHIL_WORKERS=2\nLIHIL_TLS_CERT=cert.pem\nLIHIL_LOG_LEVEL=\nOTHER=x\n")
    settings = resolve_settings({"env_file": "live.env"}, start=tmp_path, environ={"LIHIL_PORT": "3"})
    assert settings.port == Setting(3, "LIHIL_PORT")
    assert settings.workers == Setting(2, str(file))
    assert settings.drain == Setting(1, str(tmp_path / "pyproject.toml"))
    assert settings.tls_cert == Setting(tmp_path / "cert.pem", str(file))
    assert settings.log_level == Setting("info", "default")
    assert settings.env_file == Setting((file,), "--env-file")


def test_of_several_env_files_the_last_one_wins(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("LIHIL_PORT=1\nLIHIL_WORKERS=2\n")
    (tmp_path / "two").write_text("LIHIL_PORT=2\n")
    for flags, environ, text in (
        ({"env_file": ["one", "two"]}, {}, ""),
        ({"env_file": []}, {"LIHIL_ENV_FILE": "one, two"}, ""),
        ({}, {}, "[tool.lihil]\nenv_file = ['one', 'two']\n"),
    ):
        project(tmp_path, text)
        settings = resolve_settings(flags, start=tmp_path, environ=environ)
        assert settings.env_file.value == (tmp_path / "one", tmp_path / "two")
        assert settings.port == Setting(2, str(tmp_path / "two"))
        assert settings.workers == Setting(2, str(tmp_path / "one"))


def test_a_mistake_in_the_env_file_names_file_and_variable(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LIHIL_PORT=x\n")
    with pytest.raises(CliError) as caught:
        resolve_settings(start=tmp_path, environ={"LIHIL_ENV_FILE": ".env"})
    assert caught.value.message == f"{file}: LIHIL_PORT takes a whole number from 0 to 65535, not 'x'"


def test_an_env_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"absent.env cannot be read: No such file"):
        resolve_settings({"env_file": "absent.env"}, start=tmp_path, environ={})


def test_the_list_of_settings_keeps_a_secret(tmp_path: Path) -> None:
    settings = resolve_settings(start=tmp_path, environ={"LIHIL_TLS_KEY_PASSWORD": "hush", "LIHIL_UDS": "a.sock"})
    rows = {name: (value, source) for name, value, source in settings.listed()}
    assert rows["tls_key_password"] == ("(secret)", "LIHIL_TLS_KEY_PASSWORD")
    assert rows["uds"] == (str(tmp_path / "a.sock"), "LIHIL_UDS")
    assert rows["port"] == (8000, "default")
    assert "hush" not in str(settings.listed())
