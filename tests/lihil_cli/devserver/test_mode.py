import pytest

from lihil_cli.devserver.mode import Choice, Mode, change_mode, choose_mode


def chosen(
    wanted: str = "auto",
    *,
    platform: str = "linux",
    modules: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Choice:
    return choose_mode(wanted, platform=platform, modules=modules, environ=environ or {})


def test_linux_forks() -> None:
    assert chosen().mode is Mode.FORK
    assert chosen().line == "reload by fork: the next worker is forked ahead"


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows"), ("freebsd14", "freebsd14")])
def test_elsewhere_a_process_stands_by(platform: str, name: str) -> None:
    choice = chosen(platform=platform)
    assert choice.mode is Mode.STANDBY
    assert choice.line.endswith(f"because fork is not safe on {name}")


@pytest.mark.parametrize(
    ("module", "tool"),
    [("coverage", "coverage"), ("debugpy", "a debugger"), ("pydevd", "a debugger"), ("ddtrace", "ddtrace")],
)
def test_a_tool_that_watches_from_the_first_line_on_gets_processes_that_start_anew(module: str, tool: str) -> None:
    choice = chosen(modules=("os", module))
    assert (choice.mode, choice.why) == (Mode.COLD, f"every worker starts anew, because {tool} is in play")
    assert chosen(environ={"COVERAGE_PROCESS_START": "x"}).mode is Mode.COLD


def test_what_the_user_says_counts() -> None:
    choice = chosen("standby", modules=("coverage",))
    assert (choice.mode, choice.is_forced) == (Mode.STANDBY, True)
    assert choice.line == "reload by standby: the next worker is started ahead, as was asked for"
    assert chosen("fork", platform="win32").mode is Mode.STANDBY


def test_what_an_app_uses_may_change_the_mode() -> None:
    choice = change_mode(Mode.FORK, modules=("os", "gevent.monkey"))
    assert choice is not None
    assert (choice.mode, choice.why) == (Mode.COLD, "every worker starts anew, because the app uses gevent")
    assert change_mode(Mode.COLD, modules=("gevent.monkey",)) is None
    assert change_mode(Mode.FORK, modules=("gevent", "pandas")) is None


def test_a_module_that_starts_a_thread_ends_forking() -> None:
    choice = change_mode(Mode.FORK, threaded="grpc")
    assert choice is not None
    assert choice.mode is Mode.STANDBY
    assert "because grpc starts a thread" in choice.why
    assert change_mode(Mode.STANDBY, threaded="grpc") is None
