"""The app's yes to an opening handshake: the bytes of the answer, and the connection that begins behind it."""

from typing import Final

from uvicorn.config import Config

from lihil.asgi import Message
from lihil.rfc6455 import deflate as permessage_deflate
from lihil.rfc6455.connection import Connection, Role
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.handshake import Offer, encode_accept
from lihil.server.denial import Fields

# 12 bits are a window of 4 KiB: enough for messages, and a fraction of the memory of the largest.
DEFLATE: Final = DeflateOptions(server_max_window_bits=12, client_max_window_bits=12)


def accept(offer: Offer, message: Message, config: Config, fields: Fields) -> tuple[bytes, Connection]:
    """Answer `offer` as the app's ASGI `message` says, with `fields` before its own.

    Raises what `encode_accept` does, for a subprotocol or a field that must not be sent.
    """
    options, extension = None, None
    if config.ws_per_message_deflate:
        options, extension = permessage_deflate.agree(offer.deflate_offers, DEFLATE) or (None, None)
    answer = encode_accept(offer, message.get("subprotocol"), extension, [*fields, *(message.get("headers") or ())])
    connection = Connection(
        Role.SERVER,
        max_message_bytes=config.ws_max_size,
        deflate=None if options is None else Deflate(options, is_server=True),
        keeps_end_apart=True,
    )
    return answer, connection
