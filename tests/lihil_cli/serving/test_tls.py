import ssl
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.serving.tls import Certificate, make_context
from tests.lihil_cli.serving.certificates import PASSWORD, Files, make_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"))


def test_a_certificate_with_its_key_makes_a_servers_context(files: Files) -> None:
    for certificate in (
        Certificate(files.chain, files.key),
        Certificate(files.both),
        Certificate(files.chain, files.locked, PASSWORD),
    ):
        context = make_context(certificate)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("chain", "key", "password", "words"),
    [
        ("chain", "other_key", "", "the key in {key} is not that of the certificate in {chain}"),
        ("chain", "locked", "", "the key in {key} is locked, and the password does not open it"),
        ("chain", "locked", "wrong", "the key in {key} is locked, and the password does not open it"),
        ("text", "key", "", "{chain} holds no certificate in PEM form"),
        ("key", "key", "", "{chain} holds no certificate in PEM form"),
        ("chain", "text", "", "{key} holds no private key in PEM form"),
        ("chain", None, "", "{chain} holds no private key in PEM form"),
    ],
)
def test_what_does_not_fit_is_named(files: Files, chain: str, key: str | None, password: str, words: str) -> None:
    first, second = getattr(files, chain), getattr(files, key) if key else None
    with pytest.raises(CliError) as caught:
        make_context(Certificate(first, second, password))
    assert caught.value.message == words.format(chain=first, key=second)
    assert caught.value.code == 2


def test_a_broken_certificate_is_named(files: Files, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(CliError, match=rf"^{broken} and {files.key} cannot be used: "):
        make_context(Certificate(broken, files.key))


@pytest.mark.parametrize("which", ["chain", "key"])
def test_a_file_that_is_not_there_is_named(files: Files, tmp_path: Path, which: str) -> None:
    absent = tmp_path / "absent.pem"
    pair = {"chain": files.chain, "key": files.key, which: absent}
    with pytest.raises(CliError, match=rf"^TLS file {absent} cannot be read: No such file or directory$") as caught:
        make_context(Certificate(pair["chain"], pair["key"]))
    assert caught.value.code == 2


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(Certificate(Path("a"), Path("b"), "hush"))
