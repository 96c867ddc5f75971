import pytest

from lihil_cli.wstest.repl.redact import redact


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
        ("/connect wss://ann:hunter2@example.com/x", "/connect wss://ann:***@example.com/x"),
    ],
)
def test_a_secret_is_hidden(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text", ["hello", '{"type":"say","text":"the key is under the mat"}', "/close 1000 bye", "basic things", "a=b&c=d"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text
