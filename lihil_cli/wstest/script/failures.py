"""What a report says about each way in which a step is not met. Everything here is escaped for a terminal."""

from collections.abc import Sequence

from lihil_cli.errors import CliError
from lihil_cli.wstest.patterns.difference import Difference, Message, cut, visible
from lihil_cli.wstest.patterns.match import Match, message_text
from lihil_cli.wstest.patterns.template import UnknownNameError, quote
from lihil_cli.wstest.script.occurrences import Failure, Refused, Unreachable
from lihil_cli.wstest.script.steps import Connect, Expect, Send, SendClose, Silence, Unordered

_LONGEST = 300


def line_of(client: str, arrow: str, message: Message) -> str:
    """A line of the transcript."""
    if isinstance(message, bytes) and len(message) > _LONGEST:
        return visible(f"{client}{arrow} {cut(message_text(message[:_LONGEST]), _LONGEST)}...")
    return visible(f"{client}{arrow} {cut(message_text(message), _LONGEST)}".rstrip())


def closing_line(client: str, close: SendClose) -> str:
    """The line of the transcript for a close of ours."""
    reason = f" {quote(close.reason)}" if close.reason else ""
    return visible(f"{client}> close {close.code}{reason}")


def other_message(step: Expect, difference: Difference, waited_s: float) -> Failure:
    return Failure(
        step.place.line, f"{step.client}< expected", (difference.wanted,), _after(waited_s), tuple(difference.got)
    )


def nothing_came(step: Expect, timeout_s: float) -> Failure:
    wanted = (visible(cut(step.pattern.source, _LONGEST)),)
    return Failure(step.place.line, f"{step.client}< expected", wanted, f"got nothing within {seconds(timeout_s)}")


def not_silent(step: Silence, message: Message, waited_s: float) -> Failure:
    wanted = (f"nothing for {step.time.source}",)
    got = (visible(cut(message_text(message), _LONGEST)),)
    return Failure(step.place.line, f"{step.client}!< expected", wanted, _after(waited_s), got)


def not_gathered(block: Unordered, outstanding: Sequence[Expect], timeout_s: float) -> Failure:
    heading = f"got nothing more within {seconds(timeout_s)}"
    return Failure(_line(outstanding, block), "@unordered expected", _patterns(outstanding), heading)


def none_fits(block: Unordered, wanted: Sequence[Expect], outcome: Match | Difference, waited_s: float) -> Failure:
    """A message that meets none of `wanted`; `outcome` says how it differs from the first of them."""
    got = tuple(outcome.got) if isinstance(outcome, Difference) else ()
    return Failure(_line(wanted, block), "@unordered expected", _patterns(wanted), _after(waited_s), got)


def stuck(step: Send, timeout_s: float) -> Failure:
    wanted = (visible(cut(step.source, _LONGEST)),)
    heading = f"could not be sent within {seconds(timeout_s)}: the server does not read"
    return Failure(step.place.line, f"{step.client}> to send", wanted, heading)


def not_sendable(step: Send, error: UnknownNameError | UnicodeEncodeError) -> Failure:
    wanted = (visible(cut(step.source, _LONGEST)),)
    half = "a variable in it holds half of a character, which is no text"
    heading = _unknown(error) if isinstance(error, UnknownNameError) else half
    return Failure(step.place.line, f"{step.client}> to send", wanted, heading)


def not_connected(step: Send | Expect | Silence) -> Failure:
    if isinstance(step, Send):
        word, wanted = "> to send", step.source
    elif isinstance(step, Expect):
        word, wanted = "< expected", step.pattern.source
    else:
        word, wanted = "!< expected", f"nothing for {step.time.source}"
    heading = f"{step.client or 'the client'} is not connected at this point"
    return Failure(step.place.line, f"{step.client}{word}", (visible(cut(wanted, _LONGEST)),), heading)


def connected_already(step: Connect) -> Failure:
    heading = f"{step.client} is connected already; end that first: {step.client}> close, {step.client}< close"
    return _connecting(step, "a new connection", heading)


def not_connectable(step: Connect, error: UnknownNameError | CliError) -> Failure:
    heading = _unknown(error) if isinstance(error, UnknownNameError) else visible(error.message)
    return _connecting(step, "a connection", heading)


def unreachable(step: Connect, event: Unreachable) -> Failure:
    return Failure(step.place.line, _connect_words(step).removesuffix(" expected"), (), visible(event.message))


def not_refused(step: Connect) -> Failure:
    return _connecting(step, _refusal_wanted(step), "got an open connection")


def refused(step: Connect, event: Refused) -> Failure:
    wanted = "an accepted handshake" if step.refusal is None else _refusal_wanted(step)
    return _connecting(step, wanted, "got", tuple(visible(line) for line in event.lines))


def other_body(step: Connect, difference: Difference) -> Failure:
    return Failure(step.place.line, _connect_words(step), (difference.wanted,), "got", tuple(difference.got))


def seconds(value_s: float) -> str:
    """A time for people: `200 ms`, `2 s`."""
    return f"{value_s * 1000:.0f} ms" if value_s < 1 else f"{round(value_s, 2):g} s"


def _after(waited_s: float) -> str:
    return f"got (after {seconds(waited_s)})"


def _unknown(error: UnknownNameError) -> str:
    return f"no capture and no environment variable is called {error.name}"


def _connecting(step: Connect, wanted: str, heading: str, got: tuple[str, ...] = ()) -> Failure:
    return Failure(step.place.line, _connect_words(step), (wanted,), heading, got)


def _connect_words(step: Connect) -> str:
    return f"@{step.word} {step.client} expected" if step.word else "the connection expected"


def _refusal_wanted(step: Connect) -> str:
    status = "" if step.refusal is None else f" with status {step.refusal.status}"
    return f"a refused handshake{status}"


def _patterns(steps: Sequence[Expect]) -> tuple[str, ...]:
    return tuple(visible(cut(f"{step.client}< {step.pattern.source}", _LONGEST)) for step in steps)


def _line(steps: Sequence[Expect], block: Unordered) -> int:
    """The first outstanding expectation's line, where there is only one; else the block's."""
    return steps[0].place.line if len(steps) == 1 else block.place.line
