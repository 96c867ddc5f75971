"""Which names a project may have, the names made from one, and what to offer instead of a bad one. Pure."""

import keyword
import re
import shlex
import sys
import unicodedata
from dataclasses import dataclass

MAX_LENGTH = 100
FALLBACK = "my_app"

_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_SEPARATOR = re.compile(r"[/\\]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# `type` became a soft keyword in Python 3.12.
_KEYWORDS = frozenset(word.lower() for word in (*keyword.kwlist, *keyword.softkwlist, "type"))

# `test` is a package of CPython that sys.stdlib_module_names leaves out. The rest belongs to the standard library of
# a Python that a generated project supports, though perhaps not of the one that runs here.
_STDLIB = frozenset(sys.stdlib_module_names) | _words(
    """
    test
    aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib
    ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
    annotationlib compression
    """
)

# What a generated project installs: a package of the same name would hide it, or be refused by the installer.
_DEPENDENCIES = _words(
    """
    lihil lihil_cli
    annotated_doc annotated_types anyio certifi click colorama dotenv h11 hatchling httpcore httptools httpx idna jwt
    markdown_it markdown_it_py mdurl msgspec multipart nats nats_py prompt_toolkit pydantic pygments pyjwt
    python_dotenv python_multipart pyyaml redis rich shellingham sniffio starlette typer typing_extensions uvicorn
    uvloop watchfiles wcwidth websockets yaml
    exceptiongroup iniconfig nodeenv packaging pathspec pluggy py pyright pytest ruff tomli trove_classifiers
    pip pkg_resources setuptools uv wheel
    """
)

# Folders that a project, its tools or Python itself already gives a meaning.
_LAYOUT = _words("build conftest dist env htmlcov node_modules site site_packages src tests venv")

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))]
)


@dataclass(frozen=True, slots=True)
class ProjectNames:
    """The names of one project: its folder as given, and what pyproject, `import` and a heading call it."""

    folder: str
    dist: str
    module: str
    title: str


@dataclass(frozen=True, slots=True)
class NameRefusal:
    """Why a name cannot be had, and one that can. `parent` is the path that stood before the name, or empty."""

    reason: str
    suggestion: str
    parent: str = ""

    @property
    def command(self) -> str:
        """A shell line that works."""
        command = f"lihil new {self.suggestion}"
        return f"cd {shlex.quote(self.parent)} && {command}" if self.parent else command


def parse_name(text: str) -> ProjectNames | NameRefusal:
    """The names that follow from `text`, or why it is refused. Total: takes any string, never raises."""
    if _SEPARATOR.search(text):
        return _refuse_path(text)
    reason = _fault(text)
    if reason:
        return NameRefusal(reason, suggest_name(text))
    return _names(text)


def suggest_name(text: str) -> str:
    """The nearest name to `text` that `parse_name` accepts."""
    slug = _slug(text)
    candidates = (slug, f"{slug}_app")
    return next((candidate for candidate in candidates if not _fault(candidate)), FALLBACK)


def _names(text: str) -> ProjectNames:
    words = re.split("[-_]", text)
    return ProjectNames(
        folder=text,
        dist="-".join(words).lower(),
        module=_module(text),
        title=" ".join(word[:1].upper() + word[1:] for word in words),
    )


def _module(text: str) -> str:
    return text.lower().replace("-", "_")


def _slug(text: str) -> str:
    """ASCII letters and digits of `text` in lower case, other runs as one `_`, no digit in front; perhaps empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub("[^a-z0-9]+", "_", plain.lower()).lstrip("_0123456789")
    return slug[: MAX_LENGTH - len("_app")].rstrip("_")


def _refuse_path(text: str) -> NameRefusal:
    cut = max(text.rfind("/"), text.rfind("\\")) if text.rstrip("/\\") == text else -1
    if cut < 0:
        return _refuse_trailing_separator(text)
    parent, name = text[:cut] or text[0], text[cut + 1 :]
    fitting = name if not _fault(name) else suggest_name(name)
    return NameRefusal(f"{_shown(text)} is a path, and a project's name holds no slash", fitting, parent)


def _refuse_trailing_separator(text: str) -> NameRefusal:
    inner = text.rstrip("/\\")
    if not inner:
        return NameRefusal(f"{_shown(text)} is a folder, not a name", FALLBACK)
    if _SEPARATOR.search(inner):
        return _refuse_path(inner)
    fitting = inner if not _fault(inner) else suggest_name(inner)
    return NameRefusal(f"{_shown(text)} ends in a slash, and a project's name holds none", fitting)


def _fault(text: str) -> str:
    """What is wrong with `text` as a name, or an empty string."""
    return _fault_of_shape(text) or _fault_of_meaning(text, _module(text))


def _fault_of_shape(text: str) -> str:
    shown = _shown(text)
    if not text.strip():
        return "a project needs a name"
    if set(text) == {"."}:
        return f"{shown} is a folder, not a name"
    if text.startswith("-"):
        return f"{shown} looks like an option, and a project's name begins with a letter"
    if text[0].isdecimal():
        return f"{shown} begins with a digit, and a project's name begins with a letter"
    if not _SHAPE.fullmatch(text):
        return f"{shown} is no project name: ASCII letters and digits, with single - or _ between them"
    if len(text) > MAX_LENGTH:
        return f"{shown} has {len(text)} characters, and a project's name at most {MAX_LENGTH}"
    return ""


def _fault_of_meaning(text: str, module: str) -> str:
    shown = _shown(text)
    if module in _KEYWORDS:
        return f"{shown} is a Python keyword"
    if module in _STDLIB:
        return f"{shown} is a module of Python's standard library"
    if module in _DEPENDENCIES:
        return f"{shown} is a package that the project needs itself"
    if module in _LAYOUT:
        return f"{shown} already has a meaning in a project's layout"
    if module in _DEVICES:
        return f"{shown} is a device name on Windows"
    return ""


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else f"{text[:37]}..."
    return f"'{short}'"
