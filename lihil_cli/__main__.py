"""The console script `lihil`, and `python -m lihil_cli`."""

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code; the version is told before anything is loaded."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"lihil {read_version()}")  # noqa: T201 - the answer itself
        sys.exit(0)
    from lihil_cli.main import run

    sys.exit(run(sys.argv[1:]))


def read_version() -> str:
    """The version in `lihil/version.py`, which is read as text: an import would run all of the package `lihil`."""
    houses = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(houses, "lihil", "version.py"), encoding="utf-8") as source:
        return source.read().partition('VERSION = "')[2].partition('"')[0]


if __name__ == "__main__":
    main()
