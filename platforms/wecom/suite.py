"""WeCom's third-party application (第三方应用) as a ProviderApplication: what WeCom tells the provider, and its calls.

https://developer.work.weixin.qq.com/document/path/90597 (installing), path/90628 (suite_ticket), path/90642 (events)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from platforms import checks
from platforms.base import (
    Callback,
    CallbackReply,
    CallbackRequest,
    Hosts,
    LicenceEvent,
    OtherEvent,
    TokenStore,
    UrlCheck,
)
from platforms.errors import AnswerNotUnderstood, CallbackMalformed, CallbackRefused
from platforms.http import Transport
from platforms.provider import (
    CANCELLED,
    CHANGED,
    INSTALLED,
    Authorisation,
    AuthorisationEvent,
    Company,
    Installation,
    TicketArrived,
)
from platforms.setup import CheckResult, SetupMode
from platforms.wecom import sign_in, suite_setup
from platforms.wecom.callbacks import keys_for, opened
from platforms.wecom.envelopes import Members, Query, cipher_text, decoded, identity, members, named_receiver
from platforms.wecom.errors import SuiteTicketMissing
from platforms.wecom.installed import InstalledClient
from platforms.wecom.platform import WeCom
from platforms.wecom.settings import WeComSettings
from platforms.wecom.suite_client import Json, SuiteClient, SuiteSettings

CHANGES = {
    "create_auth": INSTALLED,
    "reset_permanent_code": INSTALLED,
    "change_auth": CHANGED,
    "cancel_auth": CANCELLED,
}
"""InfoType → what happened. A reset brings a new code to redeem, as an installation does."""
LICENCE_CHANGES = {"license_pay_success", "license_refund", "auto_activate"}
"""Licences were bought, given back, given to members. They come as system events, which name the provider's company and
no application. path/97196 to path/97198"""
IDENTITY = ("SuiteId", "InfoType", "TimeStamp", "AuthCode", "AuthCorpId", "ChangeType", "UserID", "Id", "OrderId")
ROOT_DEPARTMENT = 1
SUCCESS = CallbackReply(200, b"success")


class Suite:
    """One provider's one application, for all companies."""

    mode: ClassVar[SetupMode] = suite_setup.SUITE
    address: ClassVar[str] = "wecom-suite"
    callbacks: ClassVar[tuple[str, ...]] = ("command", "data")
    addresses: ClassVar[Mapping[str, str]] = {
        "command_url": "callback/command",
        "data_url": "callback/data",
        "home_url": "home",
    }

    def __init__(
        self,
        settings: SuiteSettings,
        hosts: Hosts,
        *,
        ticket: Callable[[], str],
        tokens: TokenStore,
        transport: Transport,
    ) -> None:
        self.settings = settings
        self.reached_at = hosts
        self._transport = transport
        self.client = SuiteClient(settings, hosts["api"], ticket=ticket, tokens=tokens, transport=transport)

    @classmethod
    def build(
        cls,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        ticket: Callable[[], str],
        tokens: TokenStore,
        hosts: Hosts,
        transport: Transport,
    ) -> Suite:
        entered = SuiteSettings.from_stored(settings, secrets)
        return cls(entered, hosts, ticket=ticket, tokens=tokens, transport=transport)

    def platform_for(self, company: Company, settings: Mapping[str, Any], *, tokens: TokenStore) -> WeCom:
        """The connection of a company: the self-built one's adapter with the provider's keys and ids."""
        mine = WeComSettings(
            corp_id=str(settings.get("corp_id") or "").strip(),
            agent_id=company.agent_id,
            secret=company.permanent_code,
            token=self.settings.token,
            encoding_aes_key=self.settings.encoding_aes_key,
            press_reply=settings.get("press_reply", "passive"),
            suite_id=self.settings.suite_id,
            own_corp_id=company.corp_id,
        )
        client = InstalledClient(mine, self.reached_at["api"], self.client, tokens=tokens, transport=self._transport)
        return WeCom(mine, self.reached_at, tokens, self._transport, client)

    # --- callbacks ------------------------------------------------------------------------------------------------

    def read_command(self, request: CallbackRequest) -> Callback:
        if request.method == "GET":
            return self.read_data_check(request)
        query = Query.of(request.query)
        keys = keys_for(self.settings.token, self.settings.encoding_aes_key, self.settings.suite_id)
        message = members(opened(keys, self.settings.provider_corp_id, query, cipher_text(request.body)))
        self._check_addressee(message)
        return _event(query, message)

    def _check_addressee(self, message: Members) -> None:
        """A command names the application, a system event the provider's company."""
        suite_id, company = message["SuiteId"], message["ServiceCorpId"]
        if suite_id != self.settings.suite_id and (
            suite_id or company != self.settings.provider_corp_id or not company
        ):
            raise CallbackRefused("SuiteId")

    def read_data_check(self, request: CallbackRequest) -> Callback:
        """The check that the console makes names the application or the provider's own company as its receiver."""
        query = Query.of(request.query)
        keys = keys_for(self.settings.token, self.settings.encoding_aes_key, self.settings.suite_id)
        reply = opened(keys, self.settings.provider_corp_id, query, request.query.get("echostr", ""))
        return UrlCheck(*query.base, reply=decoded(reply))

    def addressee(self, request: CallbackRequest) -> str:
        return named_receiver(request.body)

    def answer(self, callback: Callback) -> CallbackReply:
        """The check's own text, else the word that WeCom asks for; anything else is shown as an error."""
        return CallbackReply(200, callback.reply.encode()) if isinstance(callback, UrlCheck) else SUCCESS

    # --- installing -----------------------------------------------------------------------------------------------

    def install_url(self, redirect_uri: str, state: str) -> str:
        """state: letters and digits, ≤ 128 bytes."""
        known = {
            "suite_id": self.settings.suite_id,
            "pre_auth_code": self.client.get_pre_auth_code(),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self.reached_at['install']}/3rdapp/install?{urlencode(known, quote_via=quote, safe='')}"

    def redeem(self, auth_code: str) -> Installation:
        content = self.client.get_permanent_code(auth_code)
        company, code = content.get("auth_corp_info"), content.get("permanent_code")
        if not isinstance(company, dict) or not company.get("corpid") or not isinstance(code, str) or not code:
            raise AnswerNotUnderstood("answered without company or permanent_code")
        return Installation(str(company["corpid"]), str(company.get("corp_name") or ""), code)

    def read_authorisation(self, company: Company) -> Authorisation:
        content = self.client.get_auth_info(company.corp_id, company.permanent_code)
        agents = (content.get("auth_info") or {}).get("agent") or []
        if not agents or not isinstance(agents[0], dict):
            raise AnswerNotUnderstood("answered without agent")
        name = str((content.get("auth_corp_info") or {}).get("corp_name") or "")
        return Authorisation(name, str(agents[0].get("agentid") or ""), _visible(agents[0].get("privilege") or {}))

    def own_id_of(self, entered: str) -> str:
        return self.client.get_own_corp_id(entered)

    # --- signing in -----------------------------------------------------------------------------------------------

    def sign_in_url(self, redirect_uri: str, state: str) -> str:
        self.settings.need("suite_id")
        return sign_in.for_suite(self.settings.suite_id, redirect_uri, state, self.reached_at, in_client=True)

    def company_of(self, code: str) -> str:
        found = self.client.get_user(code)
        return str(found.get("corpid") or "") if found.get("userid") else ""

    def run_check(self, name: str) -> CheckResult:
        return checks.run(self.client, name, TRIES, OWNERS)


def _event(query: Query, message: Members) -> Callback:
    kind = message["InfoType"]
    if kind == "suite_ticket":
        ticket = message["SuiteTicket"]
        if not ticket:
            raise CallbackMalformed("suite_ticket without a ticket")
        return TicketArrived(*query.base, ticket=ticket)
    event_key = identity(message, IDENTITY)
    if kind in LICENCE_CHANGES:
        return LicenceEvent(*query.base, event_key=event_key, kind=kind, corp_id=message["AuthCorpId"])
    if kind not in CHANGES:
        return OtherEvent(*query.base, event_key=event_key, kind=kind[:64] or "unknown")
    code, corp_id = message["AuthCode"], message["AuthCorpId"]
    if not code and not corp_id:
        raise CallbackMalformed(f"{kind} without AuthCode or AuthCorpId")
    return AuthorisationEvent(*query.base, event_key=event_key, change=CHANGES[kind], auth_code=code, corp_id=corp_id)


def _visible(privilege: Json) -> dict[str, Any]:
    people, departments, tags = (privilege.get(name) or [] for name in ("allow_user", "allow_party", "allow_tag"))
    return {
        "people": len(people),
        "departments": len(departments),
        "tags": len(tags),
        "whole_company": ROOT_DEPARTMENT in departments,
    }


def _suite_token(client: SuiteClient) -> dict[str, Any]:
    client.renew_suite_token()
    return {}


def _provider_token(client: SuiteClient) -> dict[str, Any]:
    client.renew_provider_token()
    return {}


OWNERS: checks.Owners = ((SuiteTicketMissing, ("ticket",)),)
TRIES: dict[str, Callable[[SuiteClient], dict[str, Any]]] = {
    "suite_token": _suite_token,
    "provider_token": _provider_token,
}
