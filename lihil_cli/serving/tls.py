"""The server's certificate and key: tried before anything is bound, so that a mistake is one clear line."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the certificate with its chain, and its key; `key` is None where the first file holds both."""

    chain: Path
    key: Path | None = None
    password: str = field(default="", repr=False)


def make_context(certificate: Certificate) -> ssl.SSLContext:
    """A server's TLS context, TLS 1.2 and newer.

    Raises CliError for a file that cannot be read, holds no PEM, or does not fit the other one.
    """
    for file in (certificate.chain, certificate.key):
        if file is not None:
            _check_readable(file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    key = certificate.key or certificate.chain
    asked: list[bool] = []

    def password() -> str:  # always given, because OpenSSL would ask for it on the terminal otherwise
        asked.append(True)
        return certificate.password

    try:
        context.load_cert_chain(certificate.chain, certificate.key, password)
    except (ssl.SSLError, ValueError) as error:
        raise _refusal(error, certificate.chain, key, is_locked=bool(asked)) from error
    return context


def context_factory(certificate: Certificate) -> Callable[[object, object], ssl.SSLContext]:
    """`make_context` in the form in which uvicorn asks for it, each time it loads its settings."""
    return lambda config, default: make_context(certificate)


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise CliError(f"TLS file {file} cannot be read: {error.strerror}", code=ExitCode.USAGE) from error


def _refusal(error: Exception, chain: Path, key: Path, *, is_locked: bool) -> CliError:
    reason = getattr(error, "reason", "") or ""
    if reason == "KEY_VALUES_MISMATCH":
        words, hint = f"the key in {key} is not that of the certificate in {chain}", ""
    elif is_locked:
        words, hint = (f"the key in {key} is locked, and the password does not open it", "set LIHIL_TLS_KEY_PASSWORD")
    elif not _holds(chain, "-----BEGIN CERTIFICATE-----"):
        words, hint = f"{chain} holds no certificate in PEM form", ""
    elif not _holds(key, "PRIVATE KEY-----"):
        words, hint = (f"{key} holds no private key in PEM form", "name its file with --tls-key")
    else:
        words, hint = f"{chain} and {key} cannot be used: {reason or error}", ""
    return CliError(words, hint=hint, code=ExitCode.USAGE)


def _holds(file: Path, mark: str) -> bool:
    return mark.encode() in file.read_bytes()
