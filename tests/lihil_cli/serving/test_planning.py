from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.loader import Target
from lihil_cli.serving.planning import make_plan
from lihil_cli.settings import resolve_settings
from tests.lihil_cli.serving.certificates import make_files

MISMATCH = (
    "the key in {folder}/other_key.pem is not that of the certificate in {folder}/chain.pem (--tls-cert, --tls-key)"
)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"tls_cert": "chain.pem"}, "{folder}/chain.pem holds no private key in PEM form (--tls-cert)"),
        ({"tls_cert": "chain.pem", "tls_key": "other_key.pem"}, MISMATCH),
        ({"uds_mode": "600"}, "uds_mode (--uds-mode) does nothing without uds"),
        ({"tls_key": "key.pem"}, "tls_key (--tls-key) does nothing without tls_cert"),
        ({"tls_key_password": "x"}, "tls_key_password (--tls-key-password) does nothing without tls_cert"),
        (
            {"forwarded_allow_ips": "*"},
            "forwarded_allow_ips (--forwarded-allow-ips) does nothing without proxy_headers",
        ),
    ],
)
def test_settings_that_do_not_fit_together_name_their_sources(
    tmp_path: Path, flags: dict[str, object], message: str
) -> None:
    make_files(tmp_path)
    settings = resolve_settings(flags, start=tmp_path, environ={})
    with pytest.raises(CliError) as caught:
        make_plan(settings, Target("main", "app", tmp_path))
    assert (caught.value.message, caught.value.code) == (message.format(folder=tmp_path), 2)


def test_a_plan_holds_what_the_settings_say(tmp_path: Path) -> None:
    flags = {"env_file": ["a", "b"], "drain": 4.0, "proxy_headers": True, "forwarded_allow_ips": "*"}
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    plan = make_plan(resolve_settings(flags, start=tmp_path, environ={}), Target("main", "app", tmp_path))
    assert plan.env_files == (tmp_path / "a", tmp_path / "b")
    assert plan.drain.end_s == 4.0
    assert plan.proxies is not None
    assert plan.proxies.include("6.6.6.6")
    assert plan.certificate is None
