"""The TLS side of a connection: whom we trust, and who we are."""

import ssl

from lihil_cli.wstest.network.handshake import CannotConnectError, Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """A context that checks the server's certificate and name unless told not to.

    Raises CannotConnectError, naming the file, for a certificate or key that cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=tls.cacert)
    except (OSError, ssl.SSLError) as error:
        raise CannotConnectError(f"--cacert {tls.cacert} cannot be used: {_reason(error)}") from None
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        try:
            # No password is asked for: a prompt in the middle of a handshake would stop a script for ever.
            context.load_cert_chain(tls.cert, tls.key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            files = f"--cert {tls.cert}" + (f" with --key {tls.key}" if tls.key else "")
            raise CannotConnectError(f"{files} cannot be used: {_reason(error)}") from None
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else "it is no PEM file, or needs a password"
    return getattr(error, "strerror", None) or str(error)
