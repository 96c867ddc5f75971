from pathlib import Path

import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.placeholders import fill_headers


def filled(value: str, folder: Path, **environ: str) -> str:
    [(name, text)] = fill_headers((("Authorization", value),), folder, environ)
    assert name == "Authorization"
    return text


def test_a_name_comes_from_the_environment_or_else_from_the_projects_env_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".env").write_text("TOKEN='s3 cret'\nUSER=file\n")
    below = tmp_path / "src"
    below.mkdir()
    assert filled("Bearer ${TOKEN} of ${USER}", below, USER="shell") == "Bearer s3 cret of shell"
    (below / ".env").write_text("TOKEN=nearer\n")
    assert filled("Bearer ${TOKEN}", below) == "Bearer nearer"


@pytest.mark.parametrize("value", ["", "plain $TOKEN {TOKEN}", "100 $"])
def test_what_holds_no_name_is_sent_as_it_is(tmp_path: Path, value: str) -> None:
    assert filled(value, tmp_path, TOKEN="x") == value


def test_a_doubled_dollar_stands_for_itself(tmp_path: Path) -> None:
    assert filled("$${TOKEN} ${TOKEN}", tmp_path, TOKEN="x") == "${TOKEN} x"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("Bearer ${NONE}", "the header Authorization asks for NONE, which neither the environment nor .env has"),
        ("Bearer ${", "the header Authorization has a ${ without a name and }; $${ stands for ${ itself"),
        ("Bearer ${ODD}", "the value of the header Authorization holds characters that cannot be sent"),
    ],
)
def test_a_name_that_leads_to_nothing_that_can_be_sent_is_told(tmp_path: Path, value: str, message: str) -> None:
    with pytest.raises(CliError) as raised:
        filled(value, tmp_path, ODD="a\r\nHost: evil")
    assert (raised.value.message, raised.value.code) == (message, ExitCode.USAGE)
