import subprocess
import sys

HEAD = "import sys; from lihil_cli.framework import defer_framework; defer_framework(); "


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_the_websocket_core_is_loaded_without_the_framework() -> None:
    script = HEAD + (
        "import lihil.rfc6455.connection; loaded = {'starlette', 'msgspec', 'lihil.app', 'websockets.frames'};"
        "print(loaded & set(sys.modules))"
    )
    assert run(script) == "set()"


def test_the_framework_is_whole_as_soon_as_it_is_used() -> None:
    script = HEAD + (
        "import lihil.rfc6455.connection as core; from lihil import Lihil; import lihil, websockets;"
        "print(Lihil.__name__, lihil.rfc6455.connection is core, lihil.__version__ > '', websockets.connect.__name__)"
    )
    assert run(script) == "Lihil True True connect"


def test_a_framework_that_is_loaded_already_stays_what_it_is() -> None:
    script = "import lihil; before = lihil; " + HEAD + "import lihil; print(lihil is before)"
    assert run(script) == "True"
