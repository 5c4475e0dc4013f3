"""Feishu, and Lark abroad, as a Platform: a self-built application (企业自建应用)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, urlencode

from platforms.application import Application
from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    Capabilities,
    CardHandle,
    Contact,
    Department,
    Group,
    GroupList,
    Hosts,
    IncidentCard,
    PlatformIdentity,
    PressAnswer,
    Recipient,
    SentMessage,
    TokenStore,
)
from platforms.errors import PlatformError
from platforms.feishu import callbacks, cards, checks, contacts, setup
from platforms.feishu.client import UUID_HOURS, Client, Sent
from platforms.feishu.errors import CardInvalid, ContentReviewed, NotAvailable
from platforms.feishu.rooms import LIMITS, FeishuRooms
from platforms.feishu.settings import FeishuSettings
from platforms.http import Transport
from platforms.quotas import calls_a_month
from platforms.setup import CheckResult, SetupMode
from texts import N_

UUID_CHARACTERS = 40
COUNTED_AT_ONCE = 20
"""Groups whose members are counted when groups are listed."""
Given = TypeVar("Given")


class Feishu(Application):
    """One connected application of one brand; which hosts it has is FeishuSettings.brand's matter."""

    slug: ClassVar[str] = "feishu"
    label: ClassVar[str] = N_("飞书")
    console_name: ClassVar[str] = N_("飞书开发者后台")
    capabilities: ClassVar[Capabilities] = Capabilities(
        channel_kind="feishu_app",
        updates_need_codes=False,
        update_code_hours=0,
        body_lines=cards.BODY_LINES,
        buttons=cards.BUTTONS,
        facts=cards.FACTS,
        body_bytes=cards.BODY_BYTES,
        escape_body=cards.escaped,
        answers_in_reply=True,
        reply_reaches_all=True,
        tells_in_reply=True,
        refuses_markup=True,
        pictures="uploaded",
        has_refresh_button=False,
        coalesce_seconds=1.0,
        sends_per_member_minute=0,
        sends_per_member_hour=0,
        sends_per_group_minute=20,
        sends_per_chat_second=5,
        sends_per_second=47,
        sends_per_minute=990,
        update_days=14,
        dedupe_hours=UUID_HOURS,
        user_agent_mark="Lark/",
        one_per_tenant=False,
        workbench_hint=N_("登录飞书客户端，进入 飞书 > 工作台 > 搜索应用名称 > 打开应用，完成一次登录即可关联。"),
        has_groups=True,
        lists_groups=True,
        group_origin="bot_added",
        group_events=(("added", N_("机器人进群")), ("removed", N_("机器人被移出群")), ("renamed", N_("群配置修改"))),
        no_groups_hint=(
            N_("在飞书中打开要接收通知的群，进入 设置 → 群机器人 → 添加机器人，添加本集成的机器人。"),
            N_("回到这里点击「刷新群列表」，重新选择群聊。"),
            N_("如果列表仍为空，请确认应用已开通 im:chat 权限并已发布。"),
        ),
        callbacks=("event", "card"),
        quota=calls_a_month(10_000),
        rooms=LIMITS,
        lists_contacts=True,
        no_contacts_hint=(
            N_("通讯录权限范围：飞书开发者后台 → 您的应用 → 权限管理 → 数据权限，选择需要同步的部门或成员。"),
            N_("权限：contact:contact.base:readonly、contact:user.base:readonly、contact:department.base:readonly。"),
        ),
        sending_name="FEISHU",
        contact_fields=(("AppKey", "app_id"), ("AppSecret", "app_secret")),
        contact_steps=(
            (N_("若启用了「IP 白名单」，请加入本服务的公网出口 IP。"), "egress_ips"),
            (N_("网页应用 → 桌面端主页和移动端主页：填写下面的地址，末尾是租户 id。"), "home_url"),
        ),
    )
    modes: ClassVar[tuple[SetupMode, ...]] = (setup.SELF_BUILT,)
    hosts: ClassVar[Hosts] = {
        "api": "https://open.feishu.cn",
        "accounts": "https://accounts.feishu.cn",
        "console": "https://open.feishu.cn",
        "lark_api": "https://open.larksuite.com",
        "lark_accounts": "https://accounts.larksuite.com",
        "lark_console": "https://open.larksuite.com",
    }
    addresses: ClassVar[Mapping[str, str]] = {
        "home_url": "home",
        "redirect_url": "home/oauth",
        "card_url": "callback/card",
        "event_url": "callback/event",
    }

    settings_type = FeishuSettings

    def __init__(self, settings: FeishuSettings, hosts: Hosts, tokens: TokenStore, transport: Transport) -> None:
        self.settings = settings
        self.reached_at = hosts
        self.client = Client(settings, settings.host(hosts, "api"), tokens, transport)
        self.rooms = FeishuRooms(self.client)

    @classmethod
    def console(cls, settings: Mapping[str, Any], hosts: Hosts) -> str:
        return FeishuSettings.from_stored(settings, {}).host(hosts, "console")

    @classmethod
    def company(cls, settings: Mapping[str, Any]) -> str:
        """An organisation's applications of one brand are taken to be one company's; nothing that is entered tells."""
        return FeishuSettings.from_stored(settings, {}).brand

    @property
    def application_key(self) -> str | None:
        return f"feishu:{self.settings.app_id.lower()}" if self.settings.app_id else None

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        """Send one card to a person or a group; within an hour the same card's second sending is its first.

        Feishu does not say which of the two it was: a message older than this call is the earlier try's.
        """
        asked_at = datetime.now(UTC)
        sent, shown = _as_far_as_taken(card, lambda drawn: self._send(to, drawn))
        was_repeat = earlier_try_unanswered and sent.created_at is not None and sent.created_at < asked_at
        lines_cut = cards.truncated_lines(shown) if shown.body else len(card.body)
        return SentMessage(sent.message_id, truncated_lines=lines_cut, was_repeat=was_repeat)

    def _send(self, to: Recipient, card: IncidentCard) -> Sent:
        return self.client.send_card(to.external_id, cards.as_json(card), _uuid(to, card), is_group=to.is_group)

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        sent = self.client.send_text(to.external_id, content, is_group=to.is_group, uuid=reference)
        return SentMessage(sent.message_id)

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None:
        """Replace the card for everybody who sees it, as often as needed within 14 days."""
        _as_far_as_taken(card, lambda drawn: self.client.update_card(handle.message_id, cards.as_json(drawn)))

    def upload_picture(self, content: bytes, content_type: str) -> str:
        """The same content is uploaded once."""
        return self.client.upload_image(content, content_type)

    def read_callback(self, request: CallbackRequest) -> Callback:
        return callbacks.read(self.settings, request)

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        return callbacks.answer(self.settings, callback, answer)

    def sign_in_url(self, redirect_uri: str, state: str, *, in_client: bool) -> str:
        """Where a person proves who they are: without a click inside the client, by QR code elsewhere.

        redirect_uri is registered as it is, path included. No permission is asked for: who it is comes without.
        https://open.feishu.cn/document/common-capabilities/sso/api/obtain-oauth-code
        """
        self.settings.need("app_id")
        query = {"client_id": self.settings.app_id, "response_type": "code", "redirect_uri": redirect_uri}
        base = self.settings.host(self.reached_at, "accounts")
        encoded = urlencode(query | {"state": state}, quote_via=quote, safe="")
        return f"{base}/open-apis/authen/v1/authorize?{encoded}"

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        """Exchange a sign-in code; somebody whom the application is not there for, of whatever company, is nobody."""
        try:
            user = self.client.get_user(code, "" if in_client else redirect_uri or self.settings.redirect_url)
        except NotAvailable:
            return PlatformIdentity(None)
        said = {name: str(user.get(name) or "") for name in ("open_id", "name", "union_id")}
        return PlatformIdentity(said["open_id"] or None, said["name"], said["union_id"])

    def read_groups(self, known: Sequence[Group]) -> GroupList:
        """Every group that the robot is in; dissolved ones stay in Feishu's list for their history."""
        listed = self.client.list_chats()
        chats = [chat for chat in listed.items if chat.get("chat_status", "normal") == "normal"]
        found = [Group(str(chat["chat_id"]), str(chat.get("name") or "")) for chat in chats if chat.get("chat_id")]
        counts = {group.external_id: group.member_count for group in known}
        new = [group.external_id for group in found if counts.get(group.external_id) is None][:COUNTED_AT_ONCE]
        counts |= {chat_id: self._member_count(chat_id) for chat_id in new}
        counted = [replace(group, member_count=counts.get(group.external_id)) for group in found]
        return GroupList(counted, listed.pages + len(new), listed.is_complete)

    def _member_count(self, chat_id: str) -> int | None:
        """The list tells no numbers; a call for each new group does. Nothing depends on knowing them."""
        try:
            return self.client.count_members(chat_id)
        except PlatformError:
            return None

    def read_departments(self) -> list[Department]:
        return contacts.departments(self.client)

    def read_members(self, department_id: str) -> list[Contact]:
        return contacts.members(self.client, department_id)

    def run_check(self, name: str) -> CheckResult:
        return checks.run(self.client, name)


def _as_far_as_taken(card: IncidentCard, use: Callable[[IncidentCard], Given]) -> tuple[Given, IncidentCard]:
    """What `use` gives, and the card that Feishu took: what it refuses of a card must not lose the news.

    Pictures that it does not know go first. A template's markup that cannot be drawn is shown as it is written; what
    the review refuses is left out.
    """
    try:
        return use(card), card
    except CardInvalid:
        if card.pictures:
            return _as_far_as_taken(replace(card, pictures=()), use)
        if not card.body_is_markup:
            raise
        return _as_far_as_taken(replace(card, body_is_markup=False), use)
    except ContentReviewed:
        if not card.body and not card.facts:
            raise
        return _as_far_as_taken(card.bare, use)


def _uuid(to: Recipient, card: IncidentCard) -> str:
    """The same for every try of one card, and for no other one."""
    return hashlib.sha256(f"{to.external_id}\n{card.reference}".encode()).hexdigest()[:UUID_CHARACTERS]
