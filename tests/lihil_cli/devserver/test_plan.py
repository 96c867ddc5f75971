import json
from pathlib import Path

import pytest

from lihil_cli.devserver.plan import DevPlan, plan_for, read_plan
from lihil_cli.errors import CliError
from lihil_cli.loader import Target
from lihil_cli.settings import resolve_settings


def test_a_plan_reaches_another_process_as_it_is(tmp_path: Path) -> None:
    plan = DevPlan(
        Target("shop.main", "app", tmp_path),
        "info",
        True,
        "token",
        ("lihil", "run"),
        certificate=("chain.pem", None, "hush"),
        proxies="10.0.0.0/8,unix",
        env_files=(".env",),
        root_path="/shop",
        access_log=False,
    )
    assert read_plan(json.loads(json.dumps(plan.to_message()))) == plan
    bare = DevPlan(Target("main", "app", tmp_path), "info", False, "", ())
    assert read_plan(json.loads(json.dumps(bare.to_message()))) == bare


def test_a_plan_says_what_the_settings_say(tmp_path: Path) -> None:
    flags = {"app": "main:app", "proxy_headers": True, "forwarded_allow_ips": "*", "root_path": "/shop"}
    plan = plan_for(resolve_settings(flags, start=tmp_path, environ={}), "token")
    assert (plan.target, plan.token) == (Target("main", "app", tmp_path), "token")
    assert (plan.proxies, plan.root_path, plan.certificate, plan.env_files) == ("*", "/shop", None, ())
    assert plan.start_timeout_s is None  # it may stand in a debugger
    limited = plan_for(resolve_settings({**flags, "start_timeout": 2.5}, start=tmp_path, environ={}), "token")
    assert limited.start_timeout_s == 2.5


@pytest.mark.parametrize(
    ("flag", "value", "lack"), [("forwarded_allow_ips", "*", "proxy_headers"), ("uds_mode", "600", "uds")]
)
def test_a_setting_that_does_nothing_without_another_is_refused(
    tmp_path: Path, flag: str, value: str, lack: str
) -> None:
    with pytest.raises(CliError, match=f"does nothing without {lack}"):
        plan_for(resolve_settings({"app": "main:app", flag: value}, start=tmp_path, environ={}), "token")


def test_a_certificate_that_cannot_be_used_is_found_before_anything_runs(tmp_path: Path) -> None:
    flags = {"app": "main:app", "tls_cert": "nowhere.pem"}
    with pytest.raises(CliError, match=r"nowhere\.pem cannot be read"):
        plan_for(resolve_settings(flags, start=tmp_path, environ={}), "token")
