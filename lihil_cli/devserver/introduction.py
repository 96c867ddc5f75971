"""What an app says about itself: its routes for the banner, its description for other commands."""

import sys
from typing import Any

from lihil_cli.loader import App


def _is_lihil(app: object) -> bool:
    lihil = sys.modules.get("lihil")  # an app that is a Lihil has imported it
    return lihil is not None and isinstance(app, lihil.Lihil)


def routes_of(app: Any) -> list[tuple[str, str]]:
    """Method (WS for a WebSocket) and path of every route of a lihil app; [] for any other app."""
    if not _is_lihil(app):
        return []
    return [(endpoint.method or "WS", endpoint.pattern.path) for endpoint in app.endpoints()]


def schema_of(app: App, title: str) -> str:
    """The description that `lihil routes --json` prints, as JSON; "" for an app that is no lihil app."""
    if not _is_lihil(app):
        return ""
    import msgspec

    from lihil.schema.model import describe_app

    return msgspec.json.encode(describe_app(app, title=title)).decode()  # type: ignore[arg-type]
