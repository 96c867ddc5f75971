"""From `module:attr` to the app: what to import, the import itself, and what a failed one looks like.

Only the project root (and its `src/`) joins sys.path; no other folder is searched, let alone imported from.
"""

import importlib
import linecache
import sys
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, TypeAlias

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record

# As in lihil.asgi; spelled here so that a command which only looks for the app need not import the framework.
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

MAX_LINES = 12
_MAX_WIDTH = 400


class NoAppError(CliError):
    """What was named is not there, or is no app; an app that fails while it is imported is another matter."""


class Target(Record):
    """Which attribute of which module is the app, and below which folder the module lies. Can be pickled."""

    module: str
    attribute: str
    root: Path

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"

    @property
    def search(self) -> tuple[Path, ...]:
        """The folders that sys.path has to begin with."""
        source = self.root / "src"
        is_layout = source.is_dir() and not (source / "__init__.py").exists()
        return (source, self.root) if is_layout else (self.root,)


def find_target(app: str | None, root: Path) -> Target:
    """The app named by `app`, or the one found at a usual place below `root`. Nothing is imported.

    Raises CliError when `app` is no `module:attr`, or when nothing, or more than one app, is found.
    """
    return _named_target(app, root) if app else _usual_target(root)


def _named_target(app: str, root: Path) -> Target:
    module, _, attribute = app.partition(":")
    if attribute and all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        return Target(module, attribute, root)
    likely = module.removesuffix(".py").removeprefix("./").removeprefix("src/").replace("/", ".").replace("\\", ".")
    name = likely if all(part.isidentifier() for part in likely.split(".")) else "main"
    raise CliError(
        f"APP is written module:attribute, not {app!r}",
        hint=f"{name}:{attribute if attribute.isidentifier() else 'app'}",
        code=ExitCode.USAGE,
    )


def _usual_target(root: Path) -> Target:
    packages = sorted(path.parent.name for path in (root / "src").glob("*/main.py"))
    found = [f"{name}.main" for name in packages if name.isidentifier()]
    if not found:
        found = [name for name in ("main", "app") if (root / f"{name}.py").is_file()][:1]
    if len(found) == 1:
        return Target(found[0], "app", root)
    if found:
        raise CliError(
            f"there are {len(found)} apps: {', '.join(f'{name}:app' for name in found)}",
            hint=f"name one: {found[0]}:app, or set app in [tool.lihil] of {root / 'pyproject.toml'}",
            code=ExitCode.USAGE,
        )
    raise CliError(
        f"no app found in {root}: looked for src/*/main.py, main.py and app.py",
        hint="name it as module:attribute, or set app in [tool.lihil] of pyproject.toml",
        code=ExitCode.USAGE,
    )


def load_app(target: Target) -> App:
    """Import the target's module and return the app in it.

    Raises CliError, in at most 12 lines, for whatever goes wrong: an absent module or attribute, an exception or
    `sys.exit()` while importing, or an object that is no ASGI application.
    """
    _extend_path(target)
    module = _import(target)
    app: object = module
    path = f"{target.module}:"
    for name in target.attribute.split("."):
        app = _attribute(app, name, path=path)
        path = f"{path}{name}."
    _check_callable(app, target)
    return app  # type: ignore[return-value]


def _extend_path(target: Target) -> None:
    folders = [str(folder) for folder in target.search]
    sys.path[:] = folders + [entry for entry in sys.path if entry not in folders]


def _import(target: Target) -> ModuleType:
    try:
        return importlib.import_module(target.module)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name and (target.module == name or target.module.startswith(f"{name}.")):
            raise _absent_module(target, name) from error
        raise CliError(explain(error, target.root, f"{target} cannot be imported")) from error
    except BaseException as error:
        # SystemExit and its like too: an app that leaves while it is imported is an app that cannot be served.
        raise CliError(explain(error, target.root, f"{target} cannot be imported")) from error


def _absent_module(target: Target, name: str) -> CliError:
    path = name.replace(".", "/")
    looked = ", ".join(str(folder / f"{path}.py") for folder in target.search)
    known = {file.stem for folder in target.search for file in folder.glob("*.py")}
    import difflib  # for a mistake only

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}:{target.attribute}?" if near else ""
    return NoAppError(f"no module named {name!r}: looked for {looked}", hint=hint)


def _attribute(owner: object, name: str, *, path: str) -> object:
    """`owner.name`; `path` is how `owner` was reached, up to and with the colon or the dot before `name`."""
    try:
        return getattr(owner, name)
    except AttributeError:
        pass
    public = [entry for entry in dir(owner) if not entry.startswith("_")]
    import difflib

    near = difflib.get_close_matches(name, public, n=3)
    if not near and isinstance(owner, ModuleType):
        near = [entry for entry in public if _is_application(getattr(owner, entry))][:3]
    place = getattr(owner, "__file__", None) or path[:-1]  # a package that is only a folder has no file
    hint = f"did you mean {' or '.join(path + entry for entry in near)}?" if near else ""
    raise NoAppError(f"{path}{name} is not there: {place} has no {name!r}", hint=hint)


def _check_callable(app: object, target: Target) -> None:
    if _is_application(app):
        return
    if isinstance(app, type):
        hint = f"name an instance: app = {app.__name__}() and {target.module}:app"
        raise NoAppError(f"{target} is the class {app.__name__}, not an ASGI application", hint=hint)
    if callable(app) and _takes(app, 0):
        hint = f"a function that makes the app? Write app = {target.attribute}() and name {target.module}:app"
        raise NoAppError(f"{target} is a function without parameters, not an ASGI application", hint=hint)
    kind = "a module" if isinstance(app, ModuleType) else "None" if app is None else f"of type {type(app).__name__}"
    raise NoAppError(
        f"{target} is {kind}, not an ASGI application",
        hint="an ASGI application is called with (scope, receive, send), such as lihil.Lihil()",
    )


def _is_application(value: object) -> bool:
    return callable(value) and not isinstance(value, type) and _takes(value, 3)


def _takes(function: Callable[..., object], count: int) -> bool:
    """Whether `function` can be called with `count` positional arguments; compiled code that cannot say so, can."""
    import inspect  # where an app is loaded, not where it is looked for

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return count == 3
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def explain(error: BaseException, root: Path, headline: str) -> str:
    """An exception of the user's code in at most 12 lines: `headline`, the user's own last line, and what was raised.

    No line of the framework's, of importlib's or of an installed package's, unless nothing else was involved.
    """
    if problems := _setup_problems(error):
        return f"{headline}\n{problems}"  # never cut: each problem carries its own place and its own fix
    if isinstance(error, SyntaxError) and error.lineno:
        lines = [*_syntax_place(error, root), f"{type(error).__name__}: {error.msg}"]
    else:
        lines = [*_user_place(error.__traceback__, root), *_words(error)]
    room = MAX_LINES - 2  # for the headline, and for a hint or the line that says what was left out
    if len(lines) > room:
        lines = [*lines[:room], f"... {len(lines) - room} more lines; LIHIL_DEBUG=1 shows them"]
    return "\n".join([headline, *(f"  {_cut(line)}" for line in lines)])


def _setup_problems(error: BaseException) -> str:
    """The text of a SetupError, which names every mistake; "" for any other exception."""
    errors = sys.modules.get("lihil.errors")  # whoever raised one has imported it
    return str(error) if errors is not None and isinstance(error, errors.SetupError) else ""


def _words(error: BaseException) -> list[str]:
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return [f"SystemExit: sys.exit({code}) was called while the app was imported"]
    text = str(error)
    head = f"{type(error).__name__}: {text}" if text else type(error).__name__
    notes = "\n".join(getattr(error, "__notes__", ()))
    return (f"{head}\n{notes}" if notes else head).splitlines()


def _syntax_place(error: SyntaxError, root: Path) -> list[str]:
    place = f"{short_path(error.filename or '<unknown>', root)}:{error.lineno}"
    text = (error.text or "").rstrip()
    if not text:
        return [place]
    code = text.lstrip()
    start = max((error.offset or 1) - 1 - (len(text) - len(code)), 0)
    end = (error.end_offset or 0) - 1 - (len(text) - len(code)) if error.end_lineno == error.lineno else 0
    return [place, f"  {code}", "  " + " " * start + "^" * max(min(end, len(code)) - start, 1)]


def _user_place(trace: TracebackType | None, root: Path) -> list[str]:
    """File and line of the user's innermost frame, that line, and carets below what of it was being evaluated."""
    places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code, trace.tb_lineno, trace.tb_lasti))
        trace = trace.tb_next
    own = [place for place in places if is_users(place[0].co_filename, root)] or places[-1:]
    if not own:
        return []
    code, line, instruction = own[-1]
    text = linecache.getline(code.co_filename, line).rstrip()
    lines = [f"{short_path(code.co_filename, root)}:{line}"]
    return [*lines, f"  {text.lstrip()}", *_carets(text, code, instruction)] if text else lines


def _carets(text: str, code: CodeType, instruction: int) -> list[str]:
    """The line below `text` that marks what the instruction comes from; none where that is the whole line (PEP 657)."""
    first, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    if first != last or start is None or end is None:
        return []
    encoded = text.encode()  # positions count bytes
    before, marked = encoded[:start].decode(errors="replace"), encoded[start:end].decode(errors="replace")
    indent = len(text) - len(text.lstrip())
    whole = len(marked) >= len(text.strip())
    return [] if whole else ["  " + " " * (len(before) - indent) + "^" * max(len(marked), 1)]


def is_users(file: str, root: Path) -> bool:
    path = Path(file)
    if not path.is_relative_to(root) or "site-packages" in path.parts:
        return False
    return not path.is_relative_to(Path(__file__).parent) and not file.startswith(sys.prefix + "/")


def short_path(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_WIDTH else f"{line[:_MAX_WIDTH]}..."
