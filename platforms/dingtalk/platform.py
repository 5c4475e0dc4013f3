"""DingTalk as a Platform: an internal enterprise application (企业内部应用) with robot, web pages and a cool app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
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
    LostEvents,
    PlatformIdentity,
    PressAnswer,
    Recipient,
    SentMessage,
    TokenStore,
)
from platforms.dingtalk import callbacks, cards, checks, contacts, setup
from platforms.dingtalk.client import Client, text_values
from platforms.dingtalk.errors import (
    CallbackUrlRefused,
    CardExists,
    CardUndelivered,
    ChatGone,
    ChatIdRefused,
    ContentReviewed,
    CoolAppCodeWrong,
    DeliveryUnknown,
    DingTalkError,
    GroupOwnerOutOfRange,
    NotACard,
    PermissionMissing,
    RouteTaken,
    SentBefore,
    TemplateUnpublished,
    TemplateWrong,
    UserGone,
)
from platforms.dingtalk.rooms import LIMITS, DingTalkRooms
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import ContentRefused, GroupGone, PlatformBusy, PlatformError, SettingsIncomplete
from platforms.http import Transport
from platforms.quotas import calls_a_month
from platforms.setup import CheckResult, SetupMode
from texts import N_

DISSOLVED = "2"
LINKS_PREFIX = "links:"
"""Begins our message id of what is no card, since nothing of it can be changed."""
NO_CARDS = (PermissionMissing, TemplateWrong, TemplateUnpublished, SettingsIncomplete)
"""Why cards cannot be sent now although a template was named; the news goes out with links."""
NO_ROUTE = (*NO_CARDS, RouteTaken, CallbackUrlRefused, ContentRefused, DingTalkError)
"""Why our card address was not taken, as answered; a card without it would have buttons that do nothing."""


class DingTalk(Application):
    """One connected application."""

    slug: ClassVar[str] = "dingtalk"
    label: ClassVar[str] = N_("钉钉")
    console_name: ClassVar[str] = N_("钉钉开发者后台")
    capabilities: ClassVar[Capabilities] = Capabilities(
        channel_kind="dingtalk_app",
        updates_need_codes=False,
        update_code_hours=0,
        body_lines=cards.BODY_LINES,
        body_bytes=cards.VALUE_BYTES,
        escape_body=cards.escape,
        pictures="address",
        buttons=cards.BUTTONS,
        facts=cards.FACTS,
        answers_in_reply=True,
        reply_reaches_all=False,
        tells_in_reply=True,
        notices_per_update=cards.PRIVATE_READERS,
        has_refresh_button=False,
        coalesce_seconds=1.0,
        sends_per_second=19,
        sends_per_member_minute=0,
        sends_per_member_hour=0,
        sends_per_group_minute=20,
        dedupe_hours=24 * 7,
        user_agent_mark="DingTalk",
        one_per_tenant=False,
        workbench_hint=N_("登录钉钉客户端，进入 钉钉 > 工作台 > 搜索应用名称 > 打开应用，完成一次登录即可关联。"),
        has_groups=True,
        group_parameter="openConversationId",
        group_origin="cool_app",
        keeps_lost_events=True,
        group_events=(
            ("added", N_("群内安装酷应用")),
            ("removed", N_("群内卸载酷应用")),
            ("renamed", N_("群会话更换群名称")),
        ),
        no_groups_hint=(
            N_("前往钉钉，在群聊的 酷应用栏 → 更多酷应用 中为该群安装本应用的酷应用。"),
            N_("回到这里点击「刷新群列表」，重新选择群聊。"),
            N_("仍然没有时，请在群内卸载酷应用后重新安装，并确认已勾选「群内安装酷应用」等三种群会话事件。"),
        ),
        callbacks=(callbacks.EVENT, callbacks.CARD),
        sign_in_scripts=("vendor/dingtalk/jsapi.min.js", "js/sign_in_dingtalk.js"),
        code_names=("code", "authCode"),
        quota=calls_a_month(5000),
        folds_ids=False,
        rooms=LIMITS,
        lists_contacts=True,
        no_contacts_hint=(
            N_("通讯录权限范围：钉钉开发者后台 → 您的应用 → 开发配置 → 权限管理，选择需要同步的部门。"),
            N_("权限：通讯录部门信息读权限、通讯录部门成员读权限需已开通。"),
        ),
        sending_name="DINGTALK",
        contact_fields=(("AgentId", "agent_id"), ("AppKey", "client_id"), ("AppSecret", "client_secret")),
        contact_steps=(
            (N_("开发配置 → 安全设置 → 服务器出口IP：填写本服务的公网出口 IP。"), "egress_ips"),
            (N_("网页应用 → 应用首页地址和 PC 端首页地址：填写下面的地址，末尾是租户 id。"), "home_url"),
        ),
    )
    modes: ClassVar[tuple[SetupMode, ...]] = (setup.SELF_BUILT,)
    hosts: ClassVar[Hosts] = {
        "api": "https://api.dingtalk.com",
        "oapi": "https://oapi.dingtalk.com",
        "login": "https://login.dingtalk.com",
        "console": "https://open-dev.dingtalk.com",
    }
    addresses: ClassVar[Mapping[str, str]] = {
        "home_url": "home?corpId=$CORPID$",
        "pc_home_url": "home/pc?corpId=$CORPID$",
        "group_url": "home/group?corpId=$CORPID$&openConversationId=$ENCCID$",
        "redirect_url": "home/oauth",
        "event_url": "callback/event",
        "card_callback_url": "callback/card",
    }

    settings_type = DingTalkSettings

    def __init__(self, settings: DingTalkSettings, hosts: Hosts, tokens: TokenStore, transport: Transport) -> None:
        self.settings = settings
        self.reached_at = hosts
        self.client = Client(settings, hosts, tokens, transport)
        self.rooms = DingTalkRooms(self.client)

    @classmethod
    def company(cls, settings: Mapping[str, Any]) -> str:
        return DingTalkSettings.from_stored(settings, {}).corp_id.casefold()

    @property
    def application_key(self) -> str | None:
        if not self.settings.corp_id or not self.settings.client_id:
            return None
        return f"dingtalk:{self.settings.corp_id}:{self.settings.client_id}".casefold()

    # --- messages -------------------------------------------------------------------------------------------------

    def send_card(self, to: Recipient, card: IncidentCard, *, earlier_try_unanswered: bool = False) -> SentMessage:
        """Send one card to one person or group; its reference is the outTrackId, which DingTalk takes once.

        Content that the review refuses goes once more as title and link; without a usable template as links.
        """
        try:
            return self._send_card(to, card, earlier_try_unanswered)
        except ContentReviewed:
            sent = self._send_card(to, card.bare, earlier_try_unanswered)
            return replace(sent, truncated_lines=len(card.body))

    def send_text(self, to: Recipient, content: str, *, reference: str = "") -> SentMessage:
        """DingTalk knows no repeat of a text."""
        return SentMessage(self._send_message(to, "sampleText", text_values(content)))

    def update_card(self, handle: CardHandle, card: IncidentCard) -> None:
        """Replace the card for everybody, as title alone if the review refuses more.

        Raises NotACard for a message with links, CardGone.
        """
        if handle.message_id.startswith(LINKS_PREFIX):
            raise NotACard("message with links")
        drawn = replace(card, reference=handle.reference)
        try:
            self._change_card(drawn, handle)
        except ContentReviewed:
            self._change_card(drawn.bare, handle)

    def _change_card(self, card: IncidentCard, handle: CardHandle) -> None:
        """Of those who have a notice somebody may have left the company since: then the card alone is changed."""
        try:
            self.client.update_card(cards.update(card, handle.recipient, handle.told))
        except UserGone:
            if not handle.told:
                raise
            self.client.update_card(cards.update(card, handle.recipient))

    def _send_card(self, to: Recipient, card: IncidentCard, earlier_try_unanswered: bool) -> SentMessage:
        if not self.settings.card_template_id:
            return self._send_links(to, card, earlier_try_unanswered)
        try:
            route_key = self.client.route()
        except NO_ROUTE:
            return self._send_links(to, card, earlier_try_unanswered)
        try:
            drawn = cards.creation(
                card,
                to,
                template_id=self.settings.card_template_id,
                route_key=route_key,
                robot_code=to.details.get("robot_code") or self.settings.robot,
            )
            carrier = self._deliver(to, card, drawn, earlier_try_unanswered)
        except NO_CARDS:
            return self._send_links(to, card, earlier_try_unanswered)
        lines_cut = cards.truncated_lines(card)
        return SentMessage(carrier or "", truncated_lines=lines_cut, was_repeat=carrier is None)

    def _deliver(
        self, to: Recipient, card: IncidentCard, drawn: dict[str, Any], earlier_try_unanswered: bool
    ) -> str | None:
        """The carrier's id; None if an earlier try that was not answered had arrived.

        A card that was made but not put into the chat keeps its outTrackId: CardUndelivered says so, for the caller to
        keep, and the next try brings it up to date and delivers it. Raises DeliveryUnknown when that answer was lost.
        """
        try:
            return self.client.create_and_deliver(drawn)
        except ChatIdRefused as error:  # there is nobody, or no group, of this id
            kind = ChatGone if to.is_group else UserGone
            raise kind(error.detail, platform_code=error.platform_code, raw=error.raw) from None
        except CardUndelivered as error:
            error.nothing_arrived = True  # no earlier try had made the card
            raise
        except CardExists:
            if earlier_try_unanswered:
                return None
            self._renew(card, to)
            return self._put_into_chat(drawn)

    def _put_into_chat(self, drawn: dict[str, Any]) -> str:
        """Deliver a card that exists. Nothing is known by which DingTalk would take a second delivery for the first."""
        try:
            return self.client.deliver(drawn)
        except PlatformError as error:
            if not error.uncertain or error.unsent:
                raise
            raise DeliveryUnknown(
                error.detail,
                platform_code=error.platform_code,
                platform_message=error.platform_message,
                http_status=error.http_status,
                raw=error.raw,
            ) from error

    def _renew(self, card: IncidentCard, to: Recipient) -> None:
        """Bring a card up to date that nobody has got yet: whatever becomes of it, no message can have arrived."""
        try:
            self.client.update_card(cards.update(card, to))
        except PlatformError as error:
            if not error.uncertain or error.unsent:
                raise
            raise PlatformBusy(
                error.detail,
                platform_code=error.platform_code,
                platform_message=error.platform_message,
                http_status=error.http_status,
                raw=error.raw,
                retry_after=error.retry_after,
            ) from error

    def _send_links(self, to: Recipient, card: IncidentCard, earlier_try_unanswered: bool) -> SentMessage:
        """The same news as a robot message, which DingTalk would not know again: so it is not sent on suspicion."""
        if earlier_try_unanswered:
            raise SentBefore("no outTrackId")
        key, values = cards.message(card)
        message_id = self._send_message(to, key, values)
        return SentMessage(f"{LINKS_PREFIX}{message_id}", truncated_lines=cards.truncated_lines(card))

    def _send_message(self, to: Recipient, key: str, values: Mapping[str, str]) -> str:
        if to.is_group:
            return self.client.send_to_group(to.external_id, key, values, to.details)
        return self.client.send_to_person(to.external_id, key, values)

    # --- callbacks ------------------------------------------------------------------------------------------------

    def read_callback(self, request: CallbackRequest) -> Callback:
        return callbacks.read(self.settings, request)

    def answer(self, callback: Callback, answer: PressAnswer | None) -> CallbackReply:
        """A refusal is told on the presser's own card, where nobody else sees it."""
        return callbacks.answer(self.settings, callback, answer)

    # --- people ---------------------------------------------------------------------------------------------------

    def sign_in_url(self, redirect_uri: str, state: str, *, in_client: bool) -> str:
        """Where a person signs in in an ordinary browser; redirect_uri must be registered as 重定向URL.

        https://open.dingtalk.com/document/development/obtain-identity-credentials
        """
        self.settings.need("client_id")
        query = {
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "client_id": self.settings.client_id,
            "scope": "openid",
            "state": state,
            "prompt": "consent",
        }
        return f"{self.reached_at['login']}/oauth2/auth?{urlencode(query, quote_via=quote, safe='')}"

    def client_sign_in(self) -> Mapping[str, str]:
        self.settings.need("corp_id", "client_id")
        return {"corp_id": self.settings.corp_id, "client_id": self.settings.client_id}

    def identify(self, code: str, *, in_client: bool, redirect_uri: str = "") -> PlatformIdentity:
        """Exchange a sign-in code: of the client's own sign-in, or of the one in a browser."""
        if in_client:
            return self._identify_in_client(code)
        person = self.client.get_person_by_auth_code(code)
        if person["corpId"] and person["corpId"] != self.settings.corp_id:
            return PlatformIdentity(None)
        union_id = str(person["unionId"])
        return PlatformIdentity(self.client.get_user_id_by_union_id(union_id), str(person.get("nick") or ""), union_id)

    def _identify_in_client(self, code: str) -> PlatformIdentity:
        try:
            user = self.client.get_user_by_code(code)
        except UserGone:
            return PlatformIdentity(None)
        said = {name: str(user.get(name) or "") for name in ("userid", "name", "unionid")}
        return PlatformIdentity(said["userid"] or None, said["name"], said["unionid"])

    # --- groups and checks ----------------------------------------------------------------------------------------

    def read_groups(self, known: Sequence[Group]) -> GroupList:
        """The known groups that can still be posted to, with the names that they have now; nobody lists others."""
        read = [(group, self._read_group(group)) for group in known]
        counted = sum(1 for group, found in read if found and group.member_count is None)
        return GroupList([found for _group, found in read if found], calls=len(known) + counted)

    def _read_group(self, group: Group) -> Group | None:
        try:
            found = self.client.get_group(group.external_id, group.details)
        except GroupOwnerOutOfRange:
            return group
        except (GroupGone, ChatIdRefused, CoolAppCodeWrong):
            return None
        if str(found.get("status", "")) == DISSOLVED:
            return None
        return replace(group, name=str(found.get("title") or group.name), member_count=self._member_count(group))

    def _member_count(self, group: Group) -> int | None:
        """Asked once for a group, since calls are counted; nothing depends on knowing it."""
        if group.member_count is not None:
            return group.member_count
        try:
            return self.client.count_members(group.external_id, group.details)
        except PlatformError:
            return None

    def read_lost_events(self) -> LostEvents:
        """Events that came three times and were not answered, some minutes later; others than groups' are left."""
        found = self.client.get_lost_events()
        events = [event for lost in found.items if (event := callbacks.lost_event(self.settings, lost))]
        return LostEvents(events, found.has_more)

    def read_departments(self) -> list[Department]:
        return contacts.departments(self.client)

    def read_members(self, department_id: str) -> list[Contact]:
        return contacts.members(self.client, department_id)

    def run_check(self, name: str) -> CheckResult:
        return checks.run(self.client, name)
