from pathlib import Path

import pytest

from lihil_cli.rereading import reread
from lihil_cli.settings import Settings, resolve_settings


def settings(folder: Path, table: str) -> Settings:
    (folder / "pyproject.toml").write_text(f"[tool.lihil]\n{table}")
    return resolve_settings(start=folder, environ={})


def test_what_is_the_same_is_not_mentioned(tmp_path: Path) -> None:
    before = settings(tmp_path, "workers = 2")
    now = settings(tmp_path, "workers = 2\ndrain = 8")
    assert reread(before, now) == (now, [])


def test_what_can_change_counts_from_now_on(tmp_path: Path) -> None:
    before = settings(tmp_path, "workers = 2\ntls_key_password = 'a'")
    after, lines = reread(before, settings(tmp_path, "workers = 4\naccess_log = false\ntls_key_password = 'b'"))
    file = tmp_path / "pyproject.toml"
    assert (after.workers.value, after.access_log.value, after.tls_key_password.value) == (4, False, "b")
    assert lines == [
        f"workers is 4 from now on ({file}), and was 2",
        f"tls_key_password is (secret) from now on ({file}), and was (secret)",
        f"access_log is false from now on ({file}), and was true",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("port = 1", "port = 2", "note: port stays 1; 2 ({file}) takes a new start"),
        ("", "uds = '/run/x'", "note: uds stays -; /run/x ({file}) takes a new start"),
        ("", "tls_cert = '/x.pem'", "note: tls_cert stays -; /x.pem ({file}) takes a new start"),
        ("tls_cert = '/x.pem'", "", "note: tls_cert stays /x.pem; - (default) takes a new start"),
    ],
)
def test_what_clients_know_already_stays(tmp_path: Path, old: str, new: str, line: str) -> None:
    before = settings(tmp_path, old)
    after, lines = reread(before, settings(tmp_path, new))
    assert after == before
    assert lines == [line.format(file=tmp_path / "pyproject.toml")]


def test_another_kind_of_server_may_keep_others_and_pass_over_what_means_nothing_to_it(tmp_path: Path) -> None:
    before = settings(tmp_path, "")
    now = settings(tmp_path, "app = 'core:app'\nworkers = 2\ndrain = 3")
    after, lines = reread(before, now, fixed=["workers"], idle=["drain"])
    file = tmp_path / "pyproject.toml"
    assert (after.app.value, after.workers.value) == ("core:app", 1)
    assert lines == [
        f"app is core:app from now on ({file}), and was -",
        f"note: workers stays 1; 2 ({file}) takes a new start",
    ]


def test_a_certificate_may_be_another_one(tmp_path: Path) -> None:
    before = settings(tmp_path, "tls_cert = '/x.pem'")
    after, _ = reread(before, settings(tmp_path, "tls_cert = '/y.pem'"))
    assert after.tls_cert.value == Path("/y.pem")
