"""The console script `lihil`, and `python -m lihil_cli`."""

import sys

from lihil_cli import read_version


def main() -> None:
    """Run the command line and end the process with its exit code; the version is told before anything is loaded."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"lihil {read_version()}")  # noqa: T201 - the answer itself
        sys.exit(0)
    if sys.argv[1:2] == ["run"] and "--reload" in sys.argv:
        from lihil_cli.devserver.children import give_head_start

        give_head_start()
    from lihil_cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
