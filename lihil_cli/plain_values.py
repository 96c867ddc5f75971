"""Values that need no conversion are not converted: text, and what was not given.

From 0.29 on typer hands each of them to pydantic, the absent `--help` of every command included, and pydantic takes
longer to load than all the rest of a command.
"""

from collections.abc import Callable
from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup

_TEXTS = ((str,), (str | None,), (list[str] | None,))


class PlainCommand(TyperCommand):
    """A command of ours."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _taken_plainly(super().get_params(ctx), self.callback)


class PlainGroup(TyperGroup):
    """All of them."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _taken_plainly(super().get_params(ctx), self.callback)


def _taken_plainly(params: list[Any], callback: Callable[..., Any] | None) -> list[Any]:
    """The parameters of a command, its `--help` included; converting numbers, paths and the like stays with typer."""
    hints = getattr(callback, "__annotations__", {})
    for param in params:
        if not param.required and "process_value" not in vars(param):
            is_text = param.callback is None and get_args(hints.get(param.name))[:1] in _TEXTS
            param.process_value = _plainly(param, is_text=is_text)
    return params


def _plainly(param: Any, *, is_text: bool) -> Callable[[Any, Any], Any]:
    """In place of `process_value`: a text, or several, and the default stay what they are."""
    convert = param.process_value
    return lambda ctx, value: value if is_text or value is param.default else convert(ctx, value)
