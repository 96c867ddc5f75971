"""What machines read: JUnit's XML and TAP. Whatever a server sent, both stay well-formed."""

import json
import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from lihil_cli.wstest.script.outcome import Outcome, failure_lines

_SUITE = "lihil ws-test"
# What XML 1.0, section 2.2, has no place for, not even as a reference.
_NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def junit_xml(outcomes: Sequence[Outcome], elapsed_s: float) -> str:
    """A JUnit document, one test case a script.

    A server that is not there, and a script that did not end, is an error, all else a failure.
    """
    errors = sum(outcome.ending.unreachable for outcome in outcomes)
    failures = sum(not outcome.passed for outcome in outcomes) - errors
    counts = f'tests="{len(outcomes)}" failures="{failures}" errors="{errors}" skipped="0" time="{elapsed_s:.3f}"'
    cases = "".join(map(_test_case, outcomes))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<testsuites {counts}>\n<testsuite name="{_SUITE}" {counts}>\n{cases}</testsuite>\n</testsuites>\n'
    )


def _test_case(outcome: Outcome) -> str:
    name = _attribute(outcome.name)
    head = f'<testcase classname="{_SUITE}" name={name} file={name} time="{outcome.elapsed_s:.3f}"'
    failure = outcome.ending.failure
    if failure is None:
        return f"{head}/>\n"
    word = "error" if outcome.ending.unreachable else "failure"
    wanted = f" {' '.join(failure.wanted)}, " if failure.wanted else ": "
    message = _attribute(f"line {failure.line}: {failure.step}{wanted}{failure.heading}")
    text = escape(_clean("\n".join(failure_lines(outcome))))
    return f'{head} line="{failure.line}">\n<{word} message={message} type="{word}">{text}</{word}>\n</testcase>\n'


def _attribute(text: str) -> str:
    return quoteattr(_clean(text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _clean(text: str) -> str:
    return _NO_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def tap_text(outcomes: Sequence[Outcome]) -> str:
    """A TAP 14 document: one test point a script, with a YAML block for a failure."""
    return "".join(f"{line}\n" for line in _tap_lines(outcomes))


def _tap_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "TAP version 14"
    yield f"1..{len(outcomes)}"
    for number, outcome in enumerate(outcomes, 1):
        failure = outcome.ending.failure
        word = "ok" if failure is None else "not ok"
        yield f"{word} {number} - {_description(outcome.name)}"
        if failure is not None:
            # JSON is YAML, and in JSON nothing that came from elsewhere can end the block.
            yield "  ---"
            yield f"  message: {json.dumps(f'{failure.step}: {failure.heading}')}"
            yield f"  severity: {'error' if outcome.ending.unreachable else 'fail'}"
            yield f"  file: {json.dumps(outcome.name)}"
            yield f"  line: {failure.line}"
            yield f"  report: {json.dumps(failure_lines(outcome))}"
            yield "  ..."


def _description(text: str) -> str:
    """A name in which nothing is a directive, and which stays on its line (TAP 14, "Escaping")."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain.replace("\\", "\\\\").replace("#", "\\#")
