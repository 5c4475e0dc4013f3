"""The wizard's data: the guide's steps in their order, and fields that recognise what was pasted."""

from __future__ import annotations

import pytest

from platforms.feishu.checks import CHECKS
from platforms.feishu.platform import Feishu
from platforms.feishu.settings import FeishuSettings
from platforms.feishu.setup import SELF_BUILT

DOCUMENTED = [
    *("create_app", "credentials", "callback_keys", "abilities", "home_page", "card_callback", "redirect_url"),
    *("permissions", "event_subscription", "release", "groups", "try_it"),
]
RIGHT = {
    "brand": ["feishu", "lark", ""],
    "app_id": ["cli_9f5343c580712544", "cli_slkdjalasdkjasd"],
    "app_secret": ["dskLLdkasdjlasdKKdskLLdkasdjlasd", "A" * 32],
    "verification_token": ["vt-Alert-Verify-Token-01", "A" * 32],
    "encrypt_key": ["AlertKey-0123456789abcdef", "k", ""],
}


def field(name: str):
    return next(f for f in SELF_BUILT.fields if f.name == name)


def test_the_guides_steps_come_in_their_order():
    assert [step.key for step in SELF_BUILT.steps] == DOCUMENTED


def test_every_field_has_an_example_here():
    assert {f.name for f in SELF_BUILT.fields} == RIGHT.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_a_right_value_is_accepted(name, value):
    assert field(name).problems(value) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("app_id", "A" * 32, "App Secret"),
        ("app_id", "ww1234567890abcdef", "其他平台"),
        ("app_id", "cli-9f5343c580712544", "cli_"),
        ("app_secret", "cli_9f5343c580712544", "App ID"),
        ("app_secret", "short", "32"),
        ("verification_token", "cli_9f5343c580712544", "App ID"),
        ("verification_token", "https://oncall.example.com", "网址"),
        ("verification_token", "two words", "空格"),
        ("encrypt_key", "ou_84aad35d084aa403a838cf73ee18467", "成员或群"),
        ("encrypt_key", "two words", "空格"),
        ("brand", "dingtalk", "飞书或 Lark"),
    ],
)
def test_a_wrong_value_is_explained(name, value, says):
    assert says in " ".join(field(name).problems(value))


@pytest.mark.parametrize("field", SELF_BUILT.fields, ids=lambda f: f.name)
def test_a_trailing_newline_does_not_slip_through(field):
    for value in RIGHT[field.name]:
        assert not value or field.problems(value + "\nx")


def test_the_key_that_seals_callbacks_may_be_left_out():
    assert [f.name for f in SELF_BUILT.fields if not f.is_needed and f.is_secret] == ["encrypt_key"]


def test_active_checks_are_those_that_the_platform_can_try():
    assert {check.name for check in SELF_BUILT.checks if check.active} == CHECKS.keys()


def test_the_addresses_that_are_called_have_a_check_each():
    names = {f"callback_{purpose}" for purpose in Feishu.capabilities.callbacks}
    assert names <= {check.name for check in SELF_BUILT.checks}


@pytest.mark.parametrize(("brand", "host"), [("", "feishu.cn"), ("feishu", "feishu.cn"), ("lark", "larksuite.com")])
def test_each_brand_has_its_own_hosts(brand, host):
    settings = FeishuSettings.from_stored({"brand": brand}, {})
    for name in ("api", "accounts", "console"):
        assert settings.host(Feishu.hosts, name).endswith(host)
    assert Feishu.console({"brand": brand}, Feishu.hosts) == f"https://open.{host}"


def test_a_secret_is_not_sent_to_the_other_brand():
    assert field("brand").asks_again == ("app_secret",)


def test_secrets_do_not_show_in_reprs():
    secrets = {"app_secret": "s3cret", "verification_token": "s3cret", "encrypt_key": "s3cret"}
    assert "s3cret" not in repr(FeishuSettings.from_stored({"app_id": "cli_1"}, secrets))


def test_another_secret_means_another_token():
    kinds = {FeishuSettings(app_id="cli_1", app_secret=s, brand=b).token_kind for s in "ab" for b in ("feishu", "lark")}
    assert len(kinds) == 4
