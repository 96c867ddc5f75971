"""From a template's files and a project's names to the files that will stand on disk. Pure: bytes in, bytes out."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lihil_cli.scaffold.names import ProjectNames

# The names a template carries. They are a valid distribution, module and heading, so a template runs as it stands.
SENTINEL = ProjectNames(folder="lihil-starter", dist="lihil-starter", module="lihil_starter", title="Lihil Starter")
_SENTINELS = re.compile("|".join(map(re.escape, (SENTINEL.dist, SENTINEL.module, SENTINEL.title))))

_PIP_INSTALL = 'pip install -e ".[dev]"'
_TRY_LINE = re.compile(r"^(?:uv run )?(lihil ws-test .+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """One file of a template; `path` is relative, with forward slashes."""

    path: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to write; `mode` is the permissions before the umask."""

    path: str
    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, in the order of the paths; nothing may be written while there are `refusals`."""

    files: tuple[PlannedFile, ...]
    refusals: tuple[str, ...] = ()

    @property
    def try_command(self) -> str:
        """The `lihil ws-test ...` line of the README, or an empty string: the one place where it stands."""
        readme = next((file.data.decode() for file in self.files if file.path == "README.md"), "")
        found = _TRY_LINE.search(readme)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the running lihil was installed from; `location` is a path, or a URL for `url` and `git`."""

    kind: Literal["index", "folder", "file", "url", "git"] = "index"
    location: str = ""
    editable: bool = False
    revision: str = ""
    subdirectory: str = ""

    @property
    def uv_source(self) -> str:
        """The value of `lihil` in [tool.uv.sources] (uv, "Dependency sources"); empty when an index has it."""
        if self.kind == "index":
            return ""
        key = "path" if self.kind in {"folder", "file"} else self.kind
        fields = {key: self.location, "rev": self.revision, "subdirectory": self.subdirectory}
        items = [f"{name} = {_toml_string(value)}" for name, value in fields.items() if value]
        return f"{{ {', '.join([*items, 'editable = true'] if self.editable else items)} }}"

    @property
    def pip_arguments(self) -> str:
        """What `pip install` takes for the same lihil, quoted for a shell; empty when an index has it."""
        if self.kind in {"index", "folder", "file"}:
            return f"{'-e ' if self.editable else ''}{shlex.quote(self.location)}" if self.location else ""
        scheme = "git+" if self.kind == "git" else ""
        revision = f"@{self.revision}" if self.revision else ""
        fragment = f"#subdirectory={self.subdirectory}" if self.subdirectory else ""
        return shlex.quote(f"lihil @ {scheme}{self.location}{revision}{fragment}")


def plan_project(files: Sequence[TemplateFile], names: ProjectNames, *, origin: Origin | None = None) -> Plan:
    """The template with its sentinel names replaced, in paths and in text; what is not text is left byte for byte.

    Text is UTF-8 without NUL and gets LF line ends. `origin` (an index when None) decides how the project finds
    lihil. Under the sentinel names, with lihil from an index, the plan is the template itself.
    """
    planned = (_render(file, names) for file in files)
    placed = tuple(sorted((_fit(file, origin or Origin()) for file in planned), key=lambda f: f.path))
    return Plan(placed, tuple(_refusals(placed)))


def _render(file: TemplateFile, names: ProjectNames) -> PlannedFile:
    text = _text(file.data)
    data = file.data if text is None else _rename(text.replace("\r\n", "\n"), names).encode()
    return PlannedFile(_rename(file.path, names), data, 0o777 if file.executable else 0o666)


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _rename(text: str, names: ProjectNames) -> str:
    """`text` with every sentinel replaced, in one pass: a name that contains a sentinel is not replaced again."""
    by_sentinel = {SENTINEL.dist: names.dist, SENTINEL.module: names.module, SENTINEL.title: names.title}
    return _SENTINELS.sub(lambda found: by_sentinel[found[0]], text)


def _fit(file: PlannedFile, origin: Origin) -> PlannedFile:
    """The two files that say where lihil comes from, fitted to the machine that the project is made on."""
    if origin.kind == "index":
        return file
    if file.path == "pyproject.toml":
        return replace(file, data=file.data + _sources_table(origin).encode())
    if file.path == "README.md":
        return replace(file, data=file.data.replace(_PIP_INSTALL.encode(), _pip_install(origin).encode()))
    return file


def _pip_install(origin: Origin) -> str:
    return f'pip install {origin.pip_arguments} -e ".[dev]"'


def pip_install_line(origin: Origin) -> str:
    """The line that installs a generated project, its development tools and this lihil."""
    return _PIP_INSTALL if origin.kind == "index" else _pip_install(origin)


def _sources_table(origin: Origin) -> str:
    pip_line = " ".join(_pip_install(origin).splitlines())
    return f"""
# The lihil that made this project was not installed from a package index, so uv is told where it came from.
# pip reads no such table; there the same is: {pip_line}
# Remove these lines to depend on a published release; a container or a CI job cannot see this machine's files.
[tool.uv.sources]
lihil = {origin.uv_source}
"""


def _toml_string(text: str) -> str:
    """A TOML basic string: quotes, backslashes and controls escaped (TOML 1.0, "String")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub("[\x00-\x1f\x7f]", lambda c: f"\\u{ord(c[0]):04x}", escaped) + '"'


def _refusals(files: Sequence[PlannedFile]) -> list[str]:
    """Paths that leave the project's folder, and paths that are one file where case does not count."""
    outside = [f"{file.path!r} leaves the project's folder" for file in files if not _is_inside(file.path)]
    first_by_key: dict[str, str] = {}
    twice = []
    for file in files:
        key = file.path.casefold()
        if key in first_by_key:
            twice.append(f"{first_by_key[key]!r} and {file.path!r} are the same file")
        first_by_key.setdefault(key, file.path)
    return outside + twice


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return "\\" not in path and ":" not in path and not any(part in {"", ".", ".."} for part in parts)
