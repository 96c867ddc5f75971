import pytest

from lihil_cli.wstest.redact import is_secret_header, redact


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"user":"ann","password":"hunter2"}', '{"user":"ann","password":"***"}'),
        ('{"access_token": "abc", "n": 1}', '{"access_token": "***", "n": 1}'),
        ("{'api_key': 'abc'}", "{'api_key': \"***\"}"),
        ('{"token":5,"x":1}', '{"token":"***","x":1}'),
        ('{"secret":"a\\"b","x":1}', '{"secret":"***","x":1}'),
        ('{"password":"half', '{"password":"***"'),
        ("/open bob /chat?token=abc&user=bob", "/open bob /chat?token=***&user=bob"),
        ("api_key==abc", "api_key==***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Cookie: session=abc; x=y", "Cookie: ***"),
        ("use Bearer abcdefghijkl now", "use Bearer *** now"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_-x", "***"),
        ('{"auth": {"user": "ann", "pin": "1"}, "n": 1}', '{"auth": "***", "n": 1}'),
        ('{"tokens": ["a", "b"]}', '{"tokens": "***"}'),
        ('{"pwd":1}', '{"pwd":"***"}'),
        (
            "/open bob /echo Token:s3cret2 X-Auth-Token:s3cret3 Room:blue",
            "/open bob /echo Token:*** X-Auth-Token:*** Room:blue",
        ),
        ("@bob /connect 'X-Session:a b' x-key:\"c d\" Room:blue", "@bob /connect X-Session:*** x-key:*** Room:blue"),
        ("/open bob /echo Authorization:Bearer abc", "/open bob /echo Authorization:***"),
        ("/opn bob /echo Token:'a b' x:y", "/opn bob /echo Token:*** x:y"),
        ("/open bob /x Token:a${TOKEN}", "/open bob /x Token:***"),
        ("X-Auth-Token: a b", "X-Auth-Token: ***"),
        ("GET /x?access_token=abc&n=1 HTTP/1.1", "GET /x?access_token=***&n=1 HTTP/1.1"),
        ("/connect wss://ann:hunter2@example.com/x", "/connect wss://ann:***@example.com/x"),
    ],
)
def test_a_secret_is_hidden(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "/open bob wss://auth.example.com:8443/x n==1 Room:blue",
        "/open bob /x Token:${TOKEN} X-Key:${KEY} 'Authorization: Bearer ${TOKEN}' Room:blue",
        '{"author":"ann","key":"Enter","text":"session: over"}',
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "/connect",
        "hello",
        '{"type":"say","text":"the key is under the mat"}',
        "/close 1000 bye",
        "basic things",
        "a=b&c=d",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("name", ["Authorization", "Set-Cookie", "X-API-Key", "apikey", "X-Session-Id", "Token", "PWD"])
def test_a_header_that_names_a_secret_is_one(name: str) -> None:
    assert is_secret_header(name)


@pytest.mark.parametrize("name", ["Sec-WebSocket-Key", "sec-websocket-accept", "Origin", "Room", "Author"])
def test_other_headers_are_none(name: str) -> None:
    assert not is_secret_header(name)
