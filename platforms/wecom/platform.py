"""WeCom as a Platform: a company's own application (企业自建应用), or one it installed from a provider (第三方应用)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from platforms.application import Application
from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    Capabilities,
    CardHandle,
    Contact,
    Department,
    Hosts,
    IncidentCard,
    PlatformIdentity,
    PressAnswer,
    Recipient,
    SentMessage,
    TokenStore,
)
from platforms.errors import PlatformError, UpdateCodeSpent
from platforms.http import Transport
from platforms.licences import LicenceDesk
from platforms.setup import CheckResult, SetupMode
from platforms.wecom import callbacks, cards, checks, contacts, setup, sign_in, third_party
from platforms.wecom.client import DUPLICATE_SECONDS, EVERYBODY, Client, text_of
from platforms.wecom.errors import CallbackUrlNeeded, TaskIdTaken
from platforms.wecom.quotas import PEOPLE_A_DAY
from platforms.wecom.rooms import LIMITS, WeComRooms
from platforms.wecom.settings import WeComSettings
from texts import N_


class WeCom(Application):
    """One connected application. hosts.api is replaced by the integration's Endpoint for a private deployment."""

    slug: ClassVar[str] = "wecom"
    label: ClassVar[str] = N_("企业微信")
    console_name: ClassVar[str] = N_("企业微信管理后台")
    capabilities: ClassVar[Capabilities] = Capabilities(
        channel_kind="wecom_app",
        updates_need_codes=True,
        update_code_hours=72,
        body_lines=cards.BODY_LINES,
        body_characters=cards.BODY_ADVISED_CHARACTERS,
        buttons=cards.BUTTONS,
        facts=cards.FACTS,
        answers_in_reply=True,
        has_refresh_button=True,
        coalesce_seconds=2.0,
        sends_per_member_minute=30,
        sends_per_member_hour=1000,
        dedupe_hours=DUPLICATE_SECONDS // 3600,
        user_agent_mark="wxwork",
        one_per_tenant=True,
        everybody=EVERYBODY,
        workbench_hint=N_("登录企业微信客户端，进入「工作台」，找到并打开本应用，完成一次登录即可关联。"),
        update_note=N_("企业微信限制：一次卡片交互后，72 小时内只可更新一次；在卡片上点「状态刷新」即可看到最新状态。"),
        browser_hint=N_(
            "Mac 版企业微信默认用内置浏览器打开链接。如需改用系统浏览器：按 ctrl + command + shift + d 打开调试模式，"
            "选择 调试 → 浏览器、webView 相关 → 系统浏览器打开网页。"
        ),
        quota=PEOPLE_A_DAY,
        rooms=LIMITS,
        lists_contacts=True,
        no_contacts_hint=(
            N_("企业可信IP：管理后台 → 应用管理 → 您的应用 → 企业可信IP，加入本服务的出口 IP。"),
            N_("可见范围：管理后台 → 应用管理 → 您的应用 → 可见范围，选择需要同步的部门或成员。"),
        ),
        sending_name="WECHAT_ENTERPRISE",
        contact_fields=(("AgentId", "agent_id"), ("AppKey", "corp_id"), ("AppSecret", "secret")),
        contact_steps=(
            (N_("可信域名：填写后台访问地址的域名。"), "trusted_domain"),
            (N_("企业可信 IP：填写本服务的公网出口 IP。"), "egress_ips"),
            (N_("应用主页：填写下面的地址，末尾是租户 id。"), "home_url"),
        ),
    )
    modes: ClassVar[tuple[SetupMode, ...]] = (setup.SELF_BUILT, third_party.THIRD_PARTY)
    hosts: ClassVar[Hosts] = {
        "api": "https://qyapi.weixin.qq.com",
        "oauth": "https://open.weixin.qq.com",
        "login": "https://login.work.weixin.qq.com",
        "console": "https://work.weixin.qq.com",
        "install": "https://open.work.weixin.qq.com",
    }
    addresses: ClassVar[Mapping[str, str]] = {"callback_url": "callback", "home_url": "home"}

    settings_type = WeComSettings

    def __init__(
        self,
        settings: WeComSettings,
        hosts: Hosts,
        tokens: TokenStore,
        transport: Transport,
        client: Client | None = None,
    ) -> None:
        """client: that of an installed application instead of the self-built one's."""
        self.settings = settings
        self.reached_at = hosts
        self.client = client or Client(settings, settings.endpoint or hosts["api"], tokens, transport)
        self.rooms = WeComRooms(self.client)

    @classmethod
    def entered_host(cls, settings: Mapping[str, Any]) -> str:
        return str(settings.get("endpoint") or "") if settings.get("is_private") else ""

    @property
    def application_key(self) -> str | None:
        return f"wecom:{self.settings.corp_id.lower()}" if self.settings.corp_id else None

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        """Send one button card to one member; its reference is the task_id, which WeCom takes once.

        A group chat gets a text card with a link instead: it takes no other, and knows no repeat.

        An application without callback address may not send buttons: the news goes out without them.
        """
        lines_cut = cards.truncated_lines(card)
        if to.is_group:
            self.client.send_to_chat(to.external_id, "textcard", cards.as_text_card(card))
            return SentMessage("", truncated_lines=lines_cut, lacks_buttons=True)
        try:
            sent = self.client.send_template_card(to.external_id, cards.as_json(card))
        except TaskIdTaken:
            if not earlier_try_unanswered:
                raise
            return SentMessage("", truncated_lines=lines_cut, was_repeat=True)
        except CallbackUrlNeeded:
            bare = replace(card, buttons=(), menu=())
            sent = self.client.send_template_card(to.external_id, cards.as_json(bare))
            return SentMessage(sent.message_id, truncated_lines=lines_cut, lacks_buttons=True)
        return SentMessage(sent.message_id, sent.response_code, lines_cut)

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        """WeCom knows no repeat of a text but by its words, and the same words may be meant twice."""
        if to.is_group:
            self.client.send_to_chat(to.external_id, "text", text_of(content))
            return SentMessage("")
        if to.is_everybody:
            return SentMessage(self.client.send_text_to_everybody(content).message_id)
        return SentMessage(self.client.send_text(to.external_id, content).message_id)

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None:
        """Replace the card, using up the handle's code. Raises UpdateCodeSpent when there is none or it is dead."""
        if not handle.update_code:
            raise UpdateCodeSpent("no code")
        drawn = cards.as_json(card)
        self.client.update_template_card(handle.recipient.external_id, handle.update_code, drawn)

    def read_callback(self, request: CallbackRequest) -> Callback:
        return callbacks.read(self.settings, request)

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        """WeCom has no place for a sentence: a refusal goes out as a private message."""
        return callbacks.answer(self.settings, callback, answer.card if answer else None)

    def sign_in_url(self, redirect_uri: str, state: str, *, in_client: bool) -> str:
        """Where a person proves who they are: silently inside the client, by scanning outside.

        redirect_uri must be on the trusted domain, port included; state: letters and digits, ≤ 128 bytes.
        https://developer.work.weixin.qq.com/document/path/91022 and path/98152
        """
        if self.settings.suite_id:
            return sign_in.for_suite(self.settings.suite_id, redirect_uri, state, self.reached_at, in_client=in_client)
        self.settings.need("corp_id", "agent_id")
        hosts = dict.fromkeys(self.reached_at, self.settings.endpoint) if self.settings.endpoint else self.reached_at
        app = {"appid": self.settings.corp_id, "agentid": self.settings.agent_id}
        return sign_in.url(app, "CorpApp", redirect_uri, state, hosts, in_client=in_client)

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        """Exchange a sign-in code. The name is extra: an application that may not see it still signs people in."""
        user_id = self.client.get_user_id(code)
        if user_id is None:
            return PlatformIdentity(None)
        try:
            name = str(self.client.get_user(user_id).get("name") or "")
        except PlatformError:
            name = ""
        return PlatformIdentity(self.settings.person(user_id), name)

    def own_ids_of(self, plain: Sequence[str]) -> Mapping[str, str]:
        """Of an installed application: members' ids as the provider sees them."""
        return self.client.encrypt_user_ids(list(plain))

    def read_departments(self) -> list[Department]:
        return contacts.departments(self.client)

    def read_members(self, department_id: str) -> list[Contact]:
        return contacts.members(self.client, department_id)

    @property
    def licences(self) -> LicenceDesk | None:
        return self.client.licences

    def run_check(self, name: str) -> CheckResult:
        return checks.run(self.client, name)
