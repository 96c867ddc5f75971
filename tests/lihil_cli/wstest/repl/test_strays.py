import logging
import sys

from lihil_cli.wstest.repl.strays import strays_told


def test_lines_for_standard_output_and_error_are_told_whole() -> None:
    told: list[str] = []
    out, err = sys.stdout, sys.stderr
    with strays_told(told.append):
        sys.stdout.write("one\ntw")
        sys.stderr.write("o\nthree")
        assert sys.stdout.writable()
    assert told == ["one", "two"]
    assert (sys.stdout, sys.stderr) == (out, err)


def test_what_is_logged_to_standard_error_is_told_too() -> None:
    told: list[str] = []
    handler = logging.StreamHandler(sys.stderr)
    logging.root.addHandler(handler)
    try:
        with strays_told(told.append):
            logging.getLogger("app").warning("careful")
        assert handler.stream is sys.stderr
    finally:
        logging.root.removeHandler(handler)
    assert told == ["careful"]
