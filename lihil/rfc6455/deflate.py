"""permessage-deflate (RFC 7692): what is negotiated, and the compressors behind it."""

import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

NAME: Final = "permessage-deflate"
MAX_WINDOW_BITS: Final = 15
MIN_WINDOW_BITS: Final = 8
_TAIL: Final = (
    b"\x00\x00\xff\xff"  # an empty stored block: cut off when sending, put back when receiving (7.2.1, 7.2.2)
)

_MAX_STREAMS: Final = 16
"""How often one part of a message may end the deflate stream and begin another: each is a zlib object for 2 bytes."""

Parameters: TypeAlias = Sequence[tuple[str, str | None]]
"""An offer's or an answer's parameters in their order; one that is there twice has to be seen."""


class TooBigError(Exception):
    """A message that would inflate beyond the limit."""


class OfferError(ValueError):
    """Parameters that section 7.1 does not allow."""


class DeflateOptions(NamedTuple):
    """What both sides agreed to (section 7.1).

    Window bits are 8 to 15 and bound the memory of one direction: 2 ** bits bytes. Without context takeover each
    message is compressed alone.
    """

    server_max_window_bits: int = MAX_WINDOW_BITS
    client_max_window_bits: int = MAX_WINDOW_BITS
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False


_PARAMETERS: Final = frozenset(DeflateOptions._fields)


def agree(offers: Sequence[Parameters], wanted: DeflateOptions) -> tuple[DeflateOptions, str] | None:
    """The server's choice among the client's offers, in the client's order, and its header value; None to do without.

    `wanted` bounds what this server is ready for. An offer that cannot be met or read is passed over (section 7.1).
    """
    for offer in offers:
        try:
            return _answer(offer, wanted)
        except OfferError:
            continue
    return None


def _answer(parameters: Parameters, wanted: DeflateOptions) -> tuple[DeflateOptions, str]:
    offer = _by_name(parameters)
    server_bits = min(wanted.server_max_window_bits, _bits(offer, "server_max_window_bits") or MAX_WINDOW_BITS)
    asked_client = _bits(offer, "client_max_window_bits", may_be_bare=True)
    # Without the parameter the client cannot be told to use a smaller window (section 7.1.2.2).
    client_bits = MAX_WINDOW_BITS if asked_client is None else min(wanted.client_max_window_bits, asked_client)
    options = DeflateOptions(
        server_bits,
        client_bits,
        _flag(offer, "server_no_context_takeover") or wanted.server_no_context_takeover,
        _flag(offer, "client_no_context_takeover") or wanted.client_no_context_takeover,
    )
    parts = [NAME]
    if options.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if options.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if server_bits < MAX_WINDOW_BITS or "server_max_window_bits" in offer:
        parts.append(f"server_max_window_bits={server_bits}")
    if asked_client is not None and client_bits < MAX_WINDOW_BITS:
        parts.append(f"client_max_window_bits={client_bits}")
    return options, "; ".join(parts)


def offer_of(options: DeflateOptions) -> str:
    """A client's offer as a header value."""
    parts = [NAME]
    if options.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if options.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if options.server_max_window_bits < MAX_WINDOW_BITS:
        parts.append(f"server_max_window_bits={options.server_max_window_bits}")
    bits = options.client_max_window_bits
    parts.append("client_max_window_bits" if bits == MAX_WINDOW_BITS else f"client_max_window_bits={bits}")
    return "; ".join(parts)


def accepted_by_server(parameters: Parameters, offered: DeflateOptions) -> DeflateOptions:
    """What a client makes of the server's answer (section 7.1). Raises OfferError when it fits no offer."""
    answer = _by_name(parameters)
    server_bits = _bits(answer, "server_max_window_bits") or MAX_WINDOW_BITS
    if server_bits > offered.server_max_window_bits:
        raise OfferError(
            f"the server wants a window of {server_bits} bits, {offered.server_max_window_bits} were offered"
        )
    server_alone = _flag(answer, "server_no_context_takeover")
    if offered.server_no_context_takeover and not server_alone:
        raise OfferError("the server keeps its context although it was asked not to")
    client_bits = _bits(answer, "client_max_window_bits") or offered.client_max_window_bits
    if client_bits > offered.client_max_window_bits:
        raise OfferError(
            f"the server allows {client_bits} bits of window, {offered.client_max_window_bits} were offered"
        )
    client_alone = _flag(answer, "client_no_context_takeover") or offered.client_no_context_takeover
    return DeflateOptions(server_bits, client_bits, server_alone, client_alone)


def _by_name(parameters: Parameters) -> dict[str, str | None]:
    """Raises OfferError for an unknown parameter, and for one that is there twice (section 7.1)."""
    named = dict(parameters)
    if len(named) < len(parameters):
        raise OfferError("a parameter of permessage-deflate is there twice")
    if unknown := named.keys() - _PARAMETERS:
        raise OfferError(f"permessage-deflate has no parameter {min(unknown)}")
    return named


def _flag(parameters: dict[str, str | None], name: str) -> bool:
    if parameters.get(name) is not None:
        raise OfferError(f"{name} takes no value")
    return name in parameters


def _bits(parameters: dict[str, str | None], name: str, *, may_be_bare: bool = False) -> int | None:
    """8 to 15 without leading zeros (section 7.1.2); None where the parameter is absent."""
    if name not in parameters:
        return None
    value = parameters[name]
    if value is None:
        if may_be_bare:
            return MAX_WINDOW_BITS
        raise OfferError(f"{name} needs a value")
    if value not in {"8", "9", "10", "11", "12", "13", "14", "15"}:
        raise OfferError(f"{name} is 8 to 15, not {value!r}")
    return int(value)


class Deflate:
    """The two directions of one connection. The zlib objects, some tens of KiB, are made when first needed."""

    __slots__ = (
        "_compressor",
        "_decompressor",
        "_level",
        "_memory",
        "_receive_alone",
        "_receive_bits",
        "_send_alone",
        "_send_bits",
    )

    def __init__(self, options: DeflateOptions, *, is_server: bool, level: int = 6, memory: int = 5) -> None:
        self._send_bits = options.server_max_window_bits if is_server else options.client_max_window_bits
        self._receive_bits = options.client_max_window_bits if is_server else options.server_max_window_bits
        self._send_alone = options.server_no_context_takeover if is_server else options.client_no_context_takeover
        self._receive_alone = options.client_no_context_takeover if is_server else options.server_no_context_takeover
        self._level = level
        self._memory = memory
        self._compressor: zlib._Compress | None = None
        self._decompressor: zlib._Decompress | None = None

    def compress(self, data: bytes) -> bytes:
        """A whole message's payload, compressed (section 7.2.1)."""
        compressor = self._compressor
        if compressor is None:
            # zlib cannot do raw deflate with a window of 8 bits; 9 bits are what its own 8 means, and no peer can tell
            # as long as the data stays within 256 bytes of distance: so such a connection sends stored blocks only.
            bits, level = (9, 0) if self._send_bits == MIN_WINDOW_BITS else (self._send_bits, self._level)
            compressor = zlib.compressobj(level, zlib.DEFLATED, -bits, self._memory)
        compressed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        self._compressor = None if self._send_alone else compressor
        return compressed[:-4]

    def decompress(self, data: bytes, *, is_last: bool, max_bytes: int) -> bytes:
        """A part of a message's payload, inflated (section 7.2.2).

        Raises TooBigError beyond `max_bytes`, before more memory is spent, and ValueError for data that is not deflate.
        """
        if is_last:
            data += _TAIL
        inflated = self._inflate(data, max_bytes)
        for _ in range(_MAX_STREAMS):
            # A final block ends the stream for zlib (section 7.2.3.5); what follows begins a new one.
            if self._decompressor is None or not self._decompressor.eof:
                break
            data, self._decompressor = self._decompressor.unused_data, None
            if data and data != _TAIL:
                inflated += self._inflate(data, max_bytes - len(inflated))
        else:
            raise ValueError(f"more than {_MAX_STREAMS} final blocks at once")
        if is_last and self._receive_alone:
            self._decompressor = None
        return inflated

    def _inflate(self, data: bytes, max_bytes: int) -> bytes:
        decompressor = self._decompressor
        if decompressor is None:
            # A sender whose zlib knows no window of 8 bits uses 9; reading with 9 takes both.
            decompressor = self._decompressor = zlib.decompressobj(-max(self._receive_bits, 9))
        try:
            # Less than the bound came out: then nothing is left in `unconsumed_tail`.
            inflated = decompressor.decompress(data, max_bytes + 1)
        except zlib.error as exc:
            raise ValueError(f"not deflate: {exc}") from None
        if len(inflated) > max_bytes:
            raise TooBigError
        return inflated
