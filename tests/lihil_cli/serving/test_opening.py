"""Which of the ways to listen is taken; that each of them works stands with the commands' tests."""

from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.serving.opening import Address, choose_way, open_address
from lihil_cli.settings import resolve_settings

TABLE = '[tool.lihil]\nhost = "127.0.0.1"\nport = 0\n'


@pytest.mark.parametrize(
    ("flags", "environ", "way"),
    [
        ({}, {}, "host"),
        ({"port": 0}, {"LIHIL_UDS": "x"}, "host"),
        ({"uds": "app.sock"}, {"LIHIL_PORT": "1", "LIHIL_HOST": "1.2.3.4"}, "uds"),
        ({}, {"LIHIL_UDS": "app.sock"}, "uds"),
        ({"fd": 3}, {"LIHIL_UDS": "app.sock"}, "fd"),
    ],
)
def test_what_stands_nearest_to_the_command_line_counts(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], way: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    assert choose_way(resolve_settings(flags, start=tmp_path, environ=environ)) == way


def test_without_anything_it_is_a_host_and_a_port(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert choose_way(resolve_settings(start=tmp_path, environ={})) == "host"


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ({"fd": 3, "uds": "x"}, {}, "uds (--uds) and fd (--fd) exclude each other"),
        ({"port": 1, "uds": "x"}, {}, "host (--port) and uds (--uds) exclude each other"),
        ({}, {"LIHIL_UDS": "x", "LIHIL_FD": "3"}, "uds (LIHIL_UDS) and fd (LIHIL_FD) exclude each other"),
    ],
)
def test_two_ways_in_one_place_exclude_each_other(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(CliError) as caught:
        choose_way(resolve_settings(flags, start=tmp_path, environ=environ))
    assert (caught.value.message, caught.value.code) == (message, 2)


def test_a_unix_socket_is_made_and_a_file_that_is_none_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    settings = resolve_settings({"uds": "app.sock"}, start=tmp_path, environ={})
    with open_address(settings) as (_, address):
        assert address == Address("", 0, path)
    assert not path.exists()
    path.touch()
    with pytest.raises(CliError, match=r"app\.sock is there, and no socket") as caught, open_address(settings):
        pass
    assert caught.value.code == 3
