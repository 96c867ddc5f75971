"""Where templates are read from, and where the running lihil itself was installed from."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit

from lihil_cli.scaffold.plan import Origin, TemplateFile

if TYPE_CHECKING:
    # zipfile, which importlib.resources brings along, is not worth its start-up time where a folder is read.
    from importlib.resources.abc import Traversable

Folder: TypeAlias = "Path | Traversable"

# What tools leave behind in a template that was run where it stands, and what must never ship: pip compiles the
# templates it installs, and a wheel made from a used checkout would take the rest along.
_SKIPPED_NAMES = frozenset(
    """
    .git .hg .svn .venv venv node_modules dist build htmlcov uv.lock .env .coverage .DS_Store .keep
    __pycache__ .pytest_cache .ruff_cache .mypy_cache .hypothesis .lihil .idea .vscode
    """.split()  # noqa: SIM905 - a list of that length is a page
)
_SKIPPED_ENDS = (".pyc", ".pyo", ".egg-info", ".swp", "~")
_SKIPPED_STARTS = (".coverage.",)

_PACKAGE = Path(__file__).parent.parent


def find_templates(package: Path = _PACKAGE) -> Folder:
    """The folder of templates: inside an installed package, else beside it in a checkout, else inside a zip."""
    for folder in (package / "templates", package.parent / "templates"):
        if folder.is_dir():
            return folder
    from importlib.resources import files

    return files("lihil_cli") / "templates"


def template_names(templates: Folder) -> list[str]:
    """The names `--template` takes, in order. A template is a folder with a pyproject.toml."""
    if not templates.is_dir():
        return []
    return sorted(entry.name for entry in templates.iterdir() if (entry / "pyproject.toml").is_file())


def list_templates(templates: Folder) -> list[tuple[str, str]]:
    """Every template's name with the description of its own pyproject.toml."""
    import tomllib

    listed = []
    for name in template_names(templates):
        project = tomllib.loads((templates / name / "pyproject.toml").read_bytes().decode())["project"]
        listed.append((name, str(project.get("description", ""))))
    return listed


def read_template(templates: Folder, name: str) -> list[TemplateFile]:
    """Every file of a template except what `is_skipped` names, in the order of the paths. Raises OSError."""
    return sorted(_walk(templates / name, ""), key=lambda file: file.path)


def _walk(folder: Folder, prefix: str) -> Iterator[TemplateFile]:
    for entry in folder.iterdir():
        if is_skipped(entry.name):
            continue
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        else:
            data = entry.read_bytes()
            yield TemplateFile(path, data, _is_executable(entry, data))


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is never part of a template."""
    return name in _SKIPPED_NAMES or name.endswith(_SKIPPED_ENDS) or name.startswith(_SKIPPED_STARTS)


def _is_executable(entry: Folder, data: bytes) -> bool:
    # A zip's entry has no mode that importlib.resources would show; a script still says what it is.
    if isinstance(entry, Path):
        return os.access(entry, os.X_OK)
    return data.startswith(b"#!")


def lihil_origin(package: Path = _PACKAGE) -> Origin:
    """Where lihil came from, by the record its installer left (PEP 610), or by the checkout it runs in."""
    installed = _installed_metadata()
    if installed is None:
        return _origin_of_checkout(package.parent)
    record = installed / "direct_url.json"
    return origin_of_record(json.loads(record.read_bytes())) if record.is_file() else Origin()


def _installed_metadata() -> Path | None:
    """The first `lihil-VERSION.dist-info` on the path (PyPA, "Recording installed projects").

    importlib.metadata finds the same, but its import alone takes as long as the rest of `lihil new`.
    """
    found = (Path(entry, name) for entry in sys.path for name in _entries(entry or "."))
    return next((path for path in found if path.name.startswith("lihil-") and path.suffix == ".dist-info"), None)


def _entries(folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _origin_of_checkout(folder: Path) -> Origin:
    if (folder / "pyproject.toml").is_file():
        return Origin("folder", folder.as_posix(), editable=True)
    return Origin()


def origin_of_record(record: dict[str, Any]) -> Origin:
    """What a direct_url.json says: a folder, an archive, or a git repository; any other system counts as an index."""
    url = str(record.get("url", ""))
    subdirectory = str(record.get("subdirectory", ""))
    vcs = record.get("vcs_info")
    if vcs:
        if vcs.get("vcs") != "git":
            return Origin()
        return Origin("git", url, revision=str(vcs.get("commit_id", "")), subdirectory=subdirectory)
    if not url.startswith("file:"):
        return Origin("url", url, subdirectory=subdirectory) if url else Origin()
    folder = record.get("dir_info")
    if folder is None:
        return Origin("file", _path_of_url(url), subdirectory=subdirectory)
    return Origin("folder", _path_of_url(url), bool(folder.get("editable")), subdirectory=subdirectory)


def _path_of_url(url: str) -> str:
    """The path of a file URL (RFC 8089); a Windows drive loses the slash before it."""
    path = unquote(urlsplit(url).path)
    return path[1:] if path[2:3] == ":" else path
