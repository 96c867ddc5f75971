"""Does every `${name}` stand for something? Told before anything is connected."""

from collections.abc import Iterable, Iterator, Mapping, Set

from lihil_cli.wstest.patterns.source import SourceError
from lihil_cli.wstest.patterns.template import names_in
from lihil_cli.wstest.script.steps import (
    Connect,
    Expect,
    Quoted,
    Repeat,
    Script,
    Send,
    SendText,
    Step,
    Unordered,
    Written,
)


def check_names(script: Script, text: str, environ: Mapping[str, str]) -> None:
    """Raises SourceError for the first variable that neither an earlier line captures nor the environment holds.

    `text` is what the script was parsed from.
    """
    known = set(environ)
    if script.target is not None:
        parts = [script.target.path, *(value for _, value in script.target.parameters)]
        _check(_names_of(parts), known, text, script.target.place.at)
    _check_steps(script.steps, known, text)


def _check_steps(steps: Iterable[Step], known: set[str], text: str) -> None:
    for step in steps:
        if isinstance(step, Repeat):
            _check_steps(step.steps, set(known), text)  # what a round captures is forgotten at its end
            continue
        _check(_uses(step), known, text, step.place.at)
        known |= _captures(step)


def _check(names: Iterable[str], known: Set[str], text: str, at: int) -> None:
    for name in names:
        if name not in known:
            place = max(text.find(f"${{{name}}}", at), at)
            expected = f"a matcher such as <any:{name}> on a line before, or an environment variable {name}"
            raise SourceError(f"nothing is called {name}", place, expected=expected)


def _uses(step: Step) -> Iterator[str]:
    match step:
        case Send(outgoing=SendText(pieces)):
            for piece in pieces:
                if not isinstance(piece, str):
                    yield piece.variable.name if isinstance(piece, Quoted) else piece.name
        case Expect():
            yield from sorted(step.pattern.uses)
        case Unordered():
            for inner in step.steps:
                yield from sorted(inner.pattern.uses)
        case Connect():
            yield from _names_of(
                part for part in (step.path, step.query, *(value for _, value in step.headers)) if part
            )
            if step.refusal is not None and step.refusal.body is not None:
                yield from sorted(step.refusal.body.uses)


def _names_of(parts: Iterable[Written]) -> Iterator[str]:
    for part in parts:
        yield from sorted(names_in(part.template))


def _captures(step: Step) -> frozenset[str]:
    match step:
        case Expect():
            return step.pattern.captures
        case Unordered():
            return frozenset[str]().union(*(inner.pattern.captures for inner in step.steps))
        case Connect(refusal=refusal) if refusal is not None and refusal.body is not None:
            return refusal.body.captures
    return frozenset()
