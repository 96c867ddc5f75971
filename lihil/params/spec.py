"""What one parameter is: its name on the wire, its type, its limits, its default."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from lihil.markers import Constraints, Param
from lihil.params.kinds import is_structured, options_of

BODY: Final = "body"


class Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""Stands where there is no default: None is a default like any other."""

OMITTED: Final = Missing()
"""The default of a pack's field that its type fills in by itself: the field is left out of the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """One parameter of a handler or of a factory it needs.

    `name` is the Python name, `key` the name on the wire, `source` one of path, query, header, cookie and body.
    `fields` is set for a parameter pack: a structured type whose fields are read one by one from `source`.
    """

    name: str
    key: str
    source: str
    type: Any
    default: Any = MISSING
    constraints: Constraints = field(default_factory=Constraints)
    decoder: Callable[[str], Any] | None = None
    fields: tuple["ParamSpec", ...] = ()
    description: str = ""

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def is_raw_body(self) -> bool:
        """Whether it takes the body as it came, whatever its format: as `bytes`, or through a decoder of its own."""
        return self.source == BODY and (self.decoder is not None or options_of(self.type) == [bytes])

    def make_default(self) -> Any:
        """The default; a mutable one is copied, so that no connection sees another's changes."""
        if isinstance(self.default, list | dict | set | bytearray) or is_structured(type(self.default)):
            return copy.deepcopy(self.default)
        return self.default


def wire_key(name: str, source: str, mark: Param | None) -> str:
    """The name on the wire: the alias, or for a header the name with dashes (`user_agent` is `user-agent`)."""
    if mark is not None and mark.alias is not None:
        return mark.alias.lower() if source == "header" else mark.alias
    return name.replace("_", "-").lower() if source == "header" else name
