"""From what the user typed as TARGET to the URL that is opened."""

import ipaddress
import re
from typing import Protocol
from urllib.parse import quote, urljoin, urlsplit

from lihil_cli.devfile import DevFile
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.handshake import Handshake

DEFAULT_SERVER = "ws://127.0.0.1:8000"

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_EXAMPLES = "write a path such as /chat?room=1, :8000/chat, host:8000/chat, unix:/sock:/chat or ws://host:8000/chat"
_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:/?#@]*):(?P<port>[0-9]+)(?P<rest>[/?#].*)?")
_UNIX = re.compile(r"unix:(?P<socket>[^:]+)(?::(?P<path>.*))?")
# A name that ends like a domain: `example.com/chat` names a host, `v1.0/chat` and `chat/x.y` are paths.
_DOMAIN = re.compile(r"([0-9A-Za-z-]+\.)+[A-Za-z]{2,}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What RFC 3986 allows in a path and a query, with "%", so that what is already escaped stays as it is.
_URL_SAFE = "/?:@!$&'()*+,;=%-._~[]|"
_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - read, never bound


class Target(Record):
    """A ws:// or wss:// URL; with `uds` the connection goes through that Unix socket instead of the URL's host.

    With `app` there is no connection at all: the app in this process is called. `running` tells whether a running dev
    server gave the address; `shown` is the URL without a password.
    """

    url: str
    uds: str | None = None
    running: bool = False
    app: "App | None" = None

    @property
    def path(self) -> str:
        """Path and query, as they are sent."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def shown(self) -> str:
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def address(self) -> str:
        """Where the connection goes: `host:port`, the path of the Unix socket, or the app's name."""
        if self.app is not None:
            return self.app.label
        return self.uds or urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def port(self) -> int:
        """The port, also where the URL leaves it to its scheme (RFC 6455, section 3)."""
        return _port_of(self.url)

    @property
    def is_secure(self) -> bool:
        return self.url.startswith("wss:")

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this machine, and so never goes through a proxy."""
        if self.uds is not None or self.app is not None:
            return True
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


class App(Protocol):
    """An app in this process (`lihil_cli.wstest.network.inprocess`)."""

    label: str

    async def connect(self, target: Target, handshake: Handshake) -> Connection:
        """Shake hands with the app."""


def resolve_target(
    text: str, server: DevFile | None, *, base: str | None, port: int | None, uds: str | None = None
) -> Target:
    """The address that `text` means; a bare path goes to `base`, `port`, `uds`, the running `server` or port 8000.

    Raises CliError (USAGE) for a target that is no path and no WebSocket address, and for two answers to the
    question which server is meant.
    """
    named = [f"--{name}" for name, value in (("url", base), ("port", port), ("uds", uds)) if value is not None]
    if len(named) > 1:
        raise _usage(f"{' and '.join(named)} both name a server", "give one of them")
    whole = whole_target(text)
    if whole is not None:
        if named:
            raise _usage(f"{text!r} names a server already", f"leave {named[0]} away, or give a path alone")
        return whole
    if base is not None:
        return based_target(base, text)
    if port is not None:
        return local_target("127.0.0.1", port, text)
    if uds is not None:
        return socket_target(uds, text)
    if server is not None:
        return running_target(server, text)
    return based_target(DEFAULT_SERVER, text)


def whole_target(text: str) -> Target | None:
    """The target in `text` where that says which server is meant, None for a bare path.

    Raises CliError (USAGE) for a target that is no path and no WebSocket address.
    """
    _refuse_oddities(text)
    unix = _UNIX.fullmatch(text)
    if unix is not None:
        return socket_target(unix["socket"], unix["path"] or "/")
    if _SCHEME.fullmatch(text) or _SERVER.fullmatch(text):
        return Target(_server_url(text))
    return Target(_server_url(f"ws://{text}")) if _is_host(text) else None


def based_target(base: str, text: str) -> Target:
    """The path `text` on the server that `base` names: a URL, `host:port` or `unix:/sock`. Raises CliError (USAGE)."""
    _refuse_oddities(base)
    unix = _UNIX.fullmatch(base)
    if unix is not None:
        return socket_target(unix["socket"], (unix["path"] or "").rstrip("/") + encode_path(text))
    return Target(_server_url(base).rstrip("/") + encode_path(text))


def socket_target(uds: str, path: str) -> Target:
    """A path on a server that listens on a Unix socket."""
    return Target(f"ws://localhost{encode_path(path)}", uds=uds)


def local_target(host: str, port: int, text: str) -> Target:
    """The path `text` on a server of this machine."""
    return Target(f"ws://{_connectable(host)}:{port}{encode_path(text)}")


def running_target(server: DevFile, text: str) -> Target:
    """The path `text` on a running dev server."""
    scheme, path = "wss" if server.tls else "ws", encode_path(text)
    if server.uds is not None:
        return Target(f"{scheme}://localhost{path}", uds=server.uds, running=True)
    return Target(f"{scheme}://{_connectable(server.host)}:{server.port}{path}", running=True)


def app_target(app: App, text: str) -> Target:
    """The path `text` of an app in this process."""
    return Target(f"ws://localhost{encode_path(text)}", app=app)


def follow_redirect(url: str, location: str) -> str:
    """The URL that a redirect from `url` leads to. Raises ValueError, saying why, for one that is not followed."""
    new = urljoin(url, location)
    try:
        new = _server_url(new)
    except CliError as error:
        raise ValueError(error.message) from None
    if url.startswith("wss:") and not new.startswith("wss:"):
        raise ValueError("it leads from an encrypted to a plain connection")
    if not is_same_server(url, new):
        parts = urlsplit(new)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return new


def is_same_server(url: str, other: str) -> bool:
    """Whether what was given for one URL may go to the other: the same host, and the same port or both the usual."""
    if urlsplit(url).hostname != urlsplit(other).hostname:
        return False
    return _port_of(url) == _port_of(other) or all(urlsplit(one).port is None for one in (url, other))


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "wss" else 80)


def _server_url(text: str) -> str:
    """The ws:// or wss:// URL for a URL of any of the four schemes, `host:port` or `:port`, with what follows it."""
    server = _SERVER.fullmatch(text)
    if server is not None:
        host = server["host"] or "127.0.0.1"
        text = f"ws://{host}:{server['port']}{server['rest'] or ''}"
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise _usage(f"{text!r} is no server address", "write it like http://127.0.0.1:8000 or 127.0.0.1:8000")
    if scheme.lower() not in _SCHEMES:
        raise _usage(f"{scheme!r} is no scheme of a WebSocket address", "use ws, wss, http or https")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _usage(f"{text!r} is no address: {error}", _EXAMPLES) from None
    if not host or " " in parts.netloc:
        raise _usage(f"{text!r} has no host name that could be used", _EXAMPLES)
    path = quote(parts.path or "/", safe=_URL_SAFE)
    query = quote(parts.query, safe=_URL_SAFE)
    return parts._replace(scheme=_SCHEMES[scheme.lower()], path=path, query=query).geturl()


def encode_path(text: str) -> str:
    """The path and query of a URL, with a leading slash, every character outside RFC 3986 escaped."""
    slash = "" if text.startswith("/") else "/"
    return slash + quote(text, safe=_URL_SAFE)


def _is_host(text: str) -> bool:
    host, slash, _ = text.partition("/")
    host = host.partition("?")[0]
    if host == "localhost":
        return bool(slash)
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return _DOMAIN.fullmatch(host) is not None
    return True


def _connectable(host: str) -> str:
    """The host to connect to where a server listens on `host`, as it stands in a URL."""
    host = _ANY_ADDRESS.get(host, host)
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _refuse_oddities(text: str) -> None:
    if not text or text.isspace():
        raise _usage("the target is empty", _EXAMPLES)
    if _CONTROL.search(text):
        raise _usage(f"the target {text!r} holds a control character", _EXAMPLES)
    if "#" in text:
        # RFC 6455, section 3: fragments have no meaning in a WebSocket URI and must not be used.
        raise _usage(
            f"the target {text!r} holds a '#', which a WebSocket address cannot", "write %23 for the character"
        )


def _usage(message: str, hint: str) -> CliError:
    return CliError(message, hint=hint, code=ExitCode.USAGE)
