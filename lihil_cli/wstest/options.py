"""The options of `lihil ws-test`, in groups: how each is written, and what its help says."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_HANDSHAKE = "Handshake"
_TRANSPORT = "Transport"
_SENDING = "Sending"
_STOPPING = "When to stop"
_OUTPUT = "Output"
_PLACE = "Where to"
_MODES = "Instead of a conversation"
_SCRIPTS = "Scripts"


def _text(*names: str, group: str, metavar: str, text: str) -> object:
    return typer.Option(*names, metavar=metavar, help=text, show_default=False, rich_help_panel=group)


def _flag(*names: str, group: str, text: str) -> object:
    return typer.Option(*names, help=text, rich_help_panel=group)


def _seconds(*names: str, group: str, text: str) -> object:
    return typer.Option(*names, min=0, metavar="SECONDS", help=text, show_default=False, rich_help_panel=group)


Target: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="A path such as /chat?room=1 (or without the slash), the name of a route's handler, :PORT/path, "
        "HOST/path, unix:/SOCK:/path, or a URL; or .wst scripts.",
        show_default=False,
    ),
]
Items: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ITEM...",
        help="name==value for a named route's path and the query, Name:value for a header.",
        show_default=False,
    ),
]

App: TypeAlias = Annotated[
    str | None, _text("--app", group=_PLACE, metavar="MODULE:ATTR", text="Call this app in this process, no server.")
]
Url: TypeAlias = Annotated[
    str | None, _text("--url", group=_PLACE, metavar="BASE", text="The server a path belongs to.")
]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--port",
        "-p",
        metavar="PORT",
        min=1,
        max=65535,
        help="The server's port on this machine.",
        show_default=False,
        rich_help_panel=_PLACE,
    ),
]
Uds: TypeAlias = Annotated[
    str | None, _text("--uds", group=_PLACE, metavar="PATH", text="The Unix socket the server listens on.")
]
Force: TypeAlias = Annotated[bool, _flag("--force", group=_PLACE, text="Send what the app's schema says is wrong.")]

Header: TypeAlias = Annotated[
    list[str] | None,
    _text(
        "--header",
        "-H",
        group=_HANDSHAKE,
        metavar="'K: V'",
        text="Add a header; repeatable. ${NAME} in it is from the environment or .env.",
    ),
]
Cookie: TypeAlias = Annotated[
    list[str] | None, _text("--cookie", "-b", group=_HANDSHAKE, metavar="K=V", text="Send a cookie; repeatable.")
]
Auth: TypeAlias = Annotated[
    str | None, _text("--auth", group=_HANDSHAKE, metavar="USER:PASSWORD", text="Log in by HTTP Basic.")
]
Bearer: TypeAlias = Annotated[
    str | None, _text("--bearer", group=_HANDSHAKE, metavar="TOKEN", text="Send a bearer token.")
]
Origin: TypeAlias = Annotated[
    str | None, _text("--origin", group=_HANDSHAKE, metavar="ORIGIN", text="Send this Origin header.")
]
Subprotocol: TypeAlias = Annotated[
    list[str] | None,
    _text("--subprotocol", group=_HANDSHAKE, metavar="NAME", text="Offer a subprotocol; repeatable."),
]
NoCompression: TypeAlias = Annotated[
    bool, _flag("--no-compression", group=_HANDSHAKE, text="Do not offer permessage-deflate.")
]
NoFollow: TypeAlias = Annotated[
    bool, _flag("--no-follow", group=_HANDSHAKE, text="Take a redirect for a refusal; else it is followed and told.")
]

Insecure: TypeAlias = Annotated[
    bool, _flag("--insecure", "-k", group=_TRANSPORT, text="Do not check the server's TLS certificate.")
]
Cacert: TypeAlias = Annotated[
    str | None, _text("--cacert", group=_TRANSPORT, metavar="FILE", text="Trust the certificates in this PEM file.")
]
Cert: TypeAlias = Annotated[
    str | None, _text("--cert", group=_TRANSPORT, metavar="FILE", text="Show this client certificate (PEM).")
]
Key: TypeAlias = Annotated[
    str | None, _text("--key", group=_TRANSPORT, metavar="FILE", text="The certificate's key, where it is apart.")
]
Sni: TypeAlias = Annotated[
    str | None, _text("--sni", group=_TRANSPORT, metavar="NAME", text="Ask for this host by TLS, and check its name.")
]
Proxy: TypeAlias = Annotated[
    str | None,
    _text(
        "--proxy", group=_TRANSPORT, metavar="URL", text="Go through an http, https or socks5 proxy, whatever the host."
    ),
]
NoProxy: TypeAlias = Annotated[bool, _flag("--no-proxy", group=_TRANSPORT, text="Heed no proxy in the environment.")]
MaxSize: TypeAlias = Annotated[
    int,
    typer.Option(
        "--max-size",
        min=0,
        metavar="BYTES",
        help="The largest message taken; 0 for no limit.",
        rich_help_panel=_TRANSPORT,
    ),
]
PingInterval: TypeAlias = Annotated[
    float | None,
    _seconds(
        "--ping-interval", group=_TRANSPORT, text="Send a ping so often; 20 at a terminal, else never; 0 for never."
    ),
]

Message: TypeAlias = Annotated[
    list[str] | None, _text("--message", "-m", group=_SENDING, metavar="MSG", text="Send MSG first; repeatable.")
]
File: TypeAlias = Annotated[
    Path | None, _text("--file", "-f", group=_SENDING, metavar="FILE", text="Send a file as one message, after -m.")
]
Framing: TypeAlias = Annotated[
    str, typer.Option("--in", metavar="lines|jsonl|nul", help="How the input is read.", rich_help_panel=_SENDING)
]
Nul: TypeAlias = Annotated[bool, _flag("-0", group=_SENDING, text="Messages end in a NUL; --in nul.")]
Binary: TypeAlias = Annotated[bool, _flag("--binary", group=_SENDING, text="Send binary messages.")]
Listen: TypeAlias = Annotated[bool, _flag("--listen", group=_SENDING, text="Never read the input.")]
Replay: TypeAlias = Annotated[
    Path | None, _text("--replay", group=_SENDING, metavar="FILE", text="Send what a record says, at its pace.")
]
Speed: TypeAlias = Annotated[
    str, typer.Option("--speed", metavar="2x|max", help="The pace of --replay.", rich_help_panel=_SENDING)
]

Count: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "-n",
        metavar="N",
        min=1,
        help="Leave after this many messages.",
        show_default=False,
        rich_help_panel=_STOPPING,
    ),
]
Until: TypeAlias = Annotated[
    str | None,
    _text(
        "--until", group=_STOPPING, metavar="PATTERN", text="Leave after a message like this: text, JSON or /regex/."
    ),
]
Expects: TypeAlias = Annotated[
    list[str] | None,
    _text(
        "--expect",
        group=_STOPPING,
        metavar="PATTERN",
        text="Fail with 1 unless such a message, or close CODE, comes; repeatable, in order.",
    ),
]
Timeout: TypeAlias = Annotated[
    float | None, _seconds("--timeout", group=_STOPPING, text="Give up after this time, with exit code 6.")
]
Linger: TypeAlias = Annotated[
    float | None,
    _seconds("--linger", group=_STOPPING, text="Leave when input has ended and nothing came for this long."),
]
Reconnect: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--reconnect/--no-reconnect",
        help="Connect again when the server reloads or goes away; the rule on a terminal.",
        show_default=False,
        rich_help_panel=_STOPPING,
    ),
]
OkClose: TypeAlias = Annotated[
    list[int] | None,
    typer.Option(
        "--ok-close",
        metavar="CODE",
        min=1000,
        max=4999,
        help="A close with this code is a good end, too; repeatable.",
        show_default=False,
        rich_help_panel=_STOPPING,
    ),
]

Output: TypeAlias = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="auto|text|jsonl", help="Payloads, or every event.", rich_help_panel=_OUTPUT
    ),
]
Json: TypeAlias = Annotated[bool, _flag("--json", group=_OUTPUT, text="Each message as one line of JSON.")]
Raw: TypeAlias = Annotated[bool, _flag("--raw", group=_OUTPUT, text="The bytes of each message, and no newline.")]
Hex: TypeAlias = Annotated[bool, _flag("--hex", group=_OUTPUT, text="Each message as hexadecimal digits.")]
Record: TypeAlias = Annotated[
    Path | None, _text("--record", group=_OUTPUT, metavar="FILE", text="Keep every event, as -o jsonl prints them.")
]
Frames: TypeAlias = Annotated[bool, _flag("--frames", group=_OUTPUT, text="Show the header of every frame.")]
Verbose: TypeAlias = Annotated[
    bool,
    _flag(
        "--verbose",
        "-v",
        group=_OUTPUT,
        text="Say more: the address, the handshake, whole tracebacks.",
    ),
]
Quiet: TypeAlias = Annotated[
    bool,
    _flag(
        "--quiet",
        "-q",
        group=_OUTPUT,
        text="Say nothing on standard error, nor how connections fare.",
    ),
]

Routes: TypeAlias = Annotated[bool, _flag("--routes", group=_MODES, text="List the WebSocket routes.")]
HandshakeOnly: TypeAlias = Annotated[bool, _flag("--handshake", group=_MODES, text="Show the handshake, and leave.")]
EchoMode: TypeAlias = Annotated[bool, _flag("--echo", group=_MODES, text="Answer each message with itself.")]

Junit: TypeAlias = Annotated[
    Path | None, _text("--junit", group=_SCRIPTS, metavar="FILE", text="Write a JUnit report of the scripts.")
]
Tap: TypeAlias = Annotated[bool, _flag("--tap", group=_SCRIPTS, text="Report on the scripts in TAP.")]
