"""JUnit and TAP stay whole, whatever a server sent."""

import json
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.script.machine_reports import junit_xml, tap_text
from lihil_cli.wstest.script.occurrences import Ending, Failure
from lihil_cli.wstest.script.outcome import Outcome

PASSED = Outcome("hello.wst", Ending(2), 0.006)
FAILED = Outcome(
    "chat.wst",
    Ending(3, Failure(9, "bob< expected", ("a",), "got (after 12 ms)", ("b", "^ differs"))),
    0.1,
    ("bob< b",),
    ("chat.py:31",),
)
LOST = Outcome("gone.wst", Ending(1, Failure(2, "@client a", (), "connection refused"), unreachable=True), 0)

# Everything that a server could send or a file be called, with what means something to XML, TAP and YAML.
HOSTILE = st.text(st.characters() | st.sampled_from("\x00\x1b\ufffe\ud800]>&<'\"#\\\n\r-"))


def test_junit_counts_failures_and_errors_apart() -> None:
    suite = ElementTree.fromstring(junit_xml([PASSED, FAILED, LOST], 0.25))[0]
    assert suite.attrib == {
        "name": "lihil ws-test",
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
        "time": "0.250",
    }
    first, second, third = suite
    assert (first.attrib["name"], first.attrib["time"], len(first)) == ("hello.wst", "0.006", 0)
    assert (second.attrib["file"], second.attrib["line"], second[0].tag) == ("chat.wst", "9", "failure")
    assert second[0].attrib["message"] == "line 9: bob< expected a, got (after 12 ms)"
    assert second[0].text == (
        "bob< expected\n    a\n  got (after 12 ms)\n    b\n    ^ differs\n"
        "  so far\n    bob< b\n  on the server\n    chat.py:31"
    )
    assert (third[0].tag, third[0].attrib["message"]) == ("error", "line 2: @client a: connection refused")


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_junit_is_well_formed_whatever_is_in_it(name: str, text: str) -> None:
    outcome = Outcome(name, Ending(1, Failure(1, text, (text,), text, (text,))), 0, (text,), (text,))
    case = ElementTree.fromstring(junit_xml([outcome], 0).encode())[0][0]
    assert case[0].text is not None


def test_tap_has_a_point_for_each_script_and_says_why_one_failed() -> None:
    lines = tap_text([PASSED, FAILED, LOST]).splitlines()
    assert lines[:4] == ["TAP version 14", "1..3", "ok 1 - hello.wst", "not ok 2 - chat.wst"]
    assert lines[4:9] == [
        *(
            "  ---",
            '  message: "bob< expected: got (after 12 ms)"',
            "  severity: fail",
            '  file: "chat.wst"',
            "  line: 9",
        ),
    ]
    assert json.loads(lines[9].removeprefix("  report: "))[1] == "    a"
    assert lines[10:12] == ["  ...", "not ok 3 - gone.wst"]
    assert "  severity: error" in lines


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_nothing_in_tap_leaves_its_place(name: str, text: str) -> None:
    outcome = Outcome(name, Ending(1, Failure(1, text, (text,), text, (text,))), 0, (text,))
    tap = tap_text([outcome])
    tap.encode()
    lines = tap.split("\n")
    assert len(lines) == 11
    assert lines[2].startswith("not ok 1 - ")
    unescaped = lines[2].replace("\\\\", "").replace("\\#", "")
    assert "#" not in unescaped
    assert all(line.isprintable() for line in lines)
