"""From steps to the text of a script: `parse_script(script_text(script))` gives the same steps, at other places."""

from collections.abc import Iterable

from lihil_cli.wstest.script.steps import (
    Connect,
    Destination,
    Expect,
    Script,
    Send,
    Silence,
    Step,
    Timeout,
    Unordered,
)

_INDENT = "  "


def script_text(script: Script) -> str:
    """A script's steps, one a line, without comments."""
    lines = [] if script.target is None else [_target_line(script.target)]
    for step in script.steps:
        lines += _step_lines(step)
    return "".join(f"{line}\n" for line in lines)


def _target_line(target: Destination) -> str:
    return " ".join(["@target", target.path.source, *(f"{name}={value.source}" for name, value in target.parameters)])


def _step_lines(step: Step) -> list[str]:
    match step:
        case Send():
            return [f"{step.client}> {step.source}".rstrip()]
        case Expect():
            return [f"{step.client}< {step.pattern.source}".rstrip()]
        case Silence():
            return [f"{step.client}!< {step.time.source}"]
        case Timeout():
            return [f"@timeout {step.time.source}"]
        case Connect():
            return _connect_lines(step)
        case Unordered():
            return _block_lines("@unordered {", step.steps)
    return _block_lines(f"@repeat {step.count} {{", step.steps)


def _block_lines(first: str, steps: Iterable[Step]) -> list[str]:
    return [first, *(f"{_INDENT}{line}" for step in steps for line in _step_lines(step)), "}"]


def _connect_lines(step: Connect) -> list[str]:
    if not step.word:
        return []
    parts = [f"@{step.word}", step.client]
    parts += [] if step.path is None else [step.path.source]
    parts += [] if step.query is None else [f"?{step.query.source}"]
    parts += [f"[{name}: {value.source}]" for name, value in step.headers]
    if step.refusal is not None:
        parts += ["expect", str(step.refusal.status)]
        parts += [] if step.refusal.body is None else [step.refusal.body.source]
    return [" ".join(parts).rstrip()]
