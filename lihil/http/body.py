"""The body of a request that becomes a parameter."""

from typing import Final

from lihil.errors import HTTPException
from lihil.http.exchange import Exchange
from lihil.params.spec import ParamSpec

# Such a body is in memory whole, so its size is bounded; nginx's client_max_body_size has the same default. What is
# larger comes in by `request.stream()`, piece by piece.
MAX_BODY_BYTES: Final = 1_048_576

JSON_MEDIA_TYPE: Final = "application/json"


async def read_body(exchange: Exchange, spec: ParamSpec) -> bytes:
    """The whole body. Raises HTTPException 413 and 415, and ClientDisconnect.

    A body without a content type is taken for what is expected (RFC 9110, section 8.3).
    """
    body = await exchange.read(MAX_BODY_BYTES)
    content_type = exchange.headers.get("content-type")
    if body and content_type and not spec.is_raw_body and not is_json(content_type):
        detail = f"the body is read as {JSON_MEDIA_TYPE}, not as {content_type}"
        raise HTTPException(415, detail, headers={"accept": JSON_MEDIA_TYPE})
    return body


def is_json(content_type: str) -> bool:
    """Whether a Content-Type names JSON, or a format made of it (RFC 6839, section 3.1); parameters do not count."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON_MEDIA_TYPE or media_type.endswith("+json")
