import pytest

from lihil_cli.wstest.patterns.source import SourceError
from lihil_cli.wstest.script.names import check_names
from lihil_cli.wstest.script.parse import locate, parse_script


def check(text: str, **environ: str) -> None:
    check_names(parse_script(text), text, environ)


@pytest.mark.parametrize(
    "text",
    [
        "@target /${ENV}\n< x",
        "@target /{a} a=${ENV}\n< x",
        "@client a /${ENV} ?x=${ENV} [X: ${ENV}]",
        "@target /\n< <int:x>\n> ${x}\n< ${x}\n!< 1s\n> hex: 00\n@timeout 1s",
        '@target /\n< <int:x>\n> {"a": "${x}", "b": ${x}}',
        "@connect a / expect 422 <any:x>\n@client b /${x}",
        "@connect a / expect 422\n@client b /${ENV}",
        "@target /\n@unordered { < <int:x> < <int:y> }\n> ${x} ${y}",
        "@target /\n@repeat 2 { < <int:x> > ${x} }",
        "@target /\n< <int:x>\n@repeat 2 { > ${x} }",
    ],
)
def test_a_name_is_known_from_an_earlier_line_or_the_environment(text: str) -> None:
    check(text, ENV="1")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("@target /${x}\n< x", 1, 10),
        ("@target /{a} a=${x}\n< x", 1, 16),
        ("@client a /${x}", 1, 12),
        ("@client a / ?x=${x}", 1, 16),
        ("@client a / [X: ${x}]", 1, 17),
        ("@connect a / expect 422 ${x}", 1, 25),
        ("@target /\n> ${x}", 2, 3),
        ('@target /\n> {"a": "${x}"}', 2, 10),
        ('@target /\n> {"a": ${x}}', 2, 9),
        ("@target /\n< ${x}\n< <int:x>", 2, 3),
        ("@target /\n@unordered { < <int:x> < ${x} }", 2, 26),
        ("@target /\n@repeat 2 { < <int:x> }\n> ${x}", 3, 3),
    ],
)
def test_a_name_that_nothing_is_called_has_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(SourceError) as caught:
        check(text)
    position = locate(text, caught.value.at)
    assert (position.line, position.column, caught.value.message) == (line, column, "nothing is called x")
