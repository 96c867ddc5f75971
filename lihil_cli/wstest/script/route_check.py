"""Would the app take the addresses in a script? Told from its schema, before anything is connected."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.patterns.template import UnknownNameError
from lihil_cli.wstest.place.schema import Schema, complaints
from lihil_cli.wstest.script.address import address_of, headers_of
from lihil_cli.wstest.script.files import Loaded
from lihil_cli.wstest.script.steps import Connect, Repeat, Step


def check_addresses(scripts: Sequence[Loaded], schema: Schema, environ: Mapping[str, str]) -> None:
    """Raises CliError (USAGE) that tells what the app would not take, by file and line.

    A handshake whose refusal is expected may ask for anything; what depends on a capture is not known yet.
    """
    wrong = [
        f"{loaded.name}:{step.place.line}: {complaint}"
        for loaded in scripts
        for step in _connections(loaded.script.steps)
        for complaint in _complaints(loaded, step, schema, environ)
    ]
    if wrong:
        raise CliError("\n".join(wrong), hint="--force connects all the same", code=ExitCode.USAGE)


def _connections(steps: Iterable[Step]) -> Iterator[Connect]:
    for step in steps:
        if isinstance(step, Repeat):
            yield from _connections(step.steps)
        elif isinstance(step, Connect) and step.refusal is None:
            yield step


def _complaints(loaded: Loaded, step: Connect, schema: Schema, environ: Mapping[str, str]) -> list[str]:
    try:
        address = address_of(loaded.script.target, step, environ)
        headers = headers_of(step, environ)
    except (UnknownNameError, CliError):
        return []
    return [] if "://" in address else list(complaints(schema, address, headers))
