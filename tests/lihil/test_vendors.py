"""The names that lihil passes on, and when it pays for them."""

import subprocess
import sys

import pytest
import starlette
from starlette.websockets import WebSocketDisconnect

import lihil.testing
import lihil.vendors
from lihil.markers import use
from lihil.websocket.connection import WebSocket

PROMISED = {
    *("URL", "Address", "FormData", "HTTPConnection", "HandshakeRefused", "Headers", "Lifespan", "MultiPartException"),
    *("QueryParams", "Request", "Response", "StreamingResponse", "TestClient", "UploadFile", "WebSocket"),
    *("WebSocketDisconnect", "WebSocketState", "compile_path", "cookie_parser", "use"),
}


def test_every_promised_name_is_there_and_no_other() -> None:
    assert set(lihil.vendors.__all__) == PROMISED
    assert {name for name in PROMISED if getattr(lihil.vendors, name) is not None} == PROMISED


def test_names_are_those_of_their_homes() -> None:
    assert lihil.vendors.use is use
    assert lihil.vendors.WebSocket is WebSocket
    assert lihil.vendors.WebSocketDisconnect is WebSocketDisconnect
    assert lihil.vendors.TestClient is lihil.testing.TestClient
    assert lihil.vendors.HandshakeRefused is lihil.testing.HandshakeRefused
    assert lihil.vendors.cookie_parser("a=1; b=2") == {"a": "1", "b": "2"}
    assert lihil.vendors.compile_path("/x/{id:int}")[0].match("/x/7")
    assert lihil.vendors.Request.__module__.split(".")[0] == starlette.__name__


def test_the_client_is_a_class_that_pytest_does_not_collect() -> None:
    assert isinstance(lihil.vendors.TestClient, type)
    assert lihil.vendors.TestClient.__test__ is False


@pytest.mark.parametrize("module", [lihil.vendors, lihil.testing])
def test_an_unknown_name_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'TestClients'"):
        _ = module.TestClients  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        "import lihil.testing as t; before = LIBRARY & sys.modules.keys(); t.TestClient",
        "import lihil.vendors, lihil.testing; before = LIBRARY & sys.modules.keys(); from lihil.vendors import *",
    ],
)
def test_the_http_library_is_imported_only_for_the_client(code: str) -> None:
    script = f"import sys; LIBRARY = {{'httpx', 'httpx2'}}; {code}; print(before, bool(LIBRARY & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() True"


def test_the_client_is_at_hand_at_once_where_its_library_is_loaded() -> None:
    library = lihil.testing.TestClient.__mro__[1].__module__.split(".")[0]
    script = f"import {library}, lihil.vendors, lihil.testing; print('TestClient' in vars(lihil.vendors))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
