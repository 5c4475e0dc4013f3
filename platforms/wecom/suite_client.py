"""Calls that a provider (服务商) makes for itself: the tokens of its application, installations, ids.

https://developer.work.weixin.qq.com/document/path/90600 and its neighbours. Every method raises the PlatformErrors of
wecom/errors.py and platforms/http.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from platforms.application import Settings
from platforms.base import TokenStore
from platforms.errors import AnswerNotUnderstood
from platforms.http import Transport
from platforms.wecom.calls import Caller, Credential, Json
from platforms.wecom.errors import AuthorizeAppFirst, CorpIdInvalid, SuiteTicketMissing
from platforms.wecom.settings import token_kind
from texts import N_

LABELS = {
    "suite_id": N_("SuiteID"),
    "suite_secret": N_("Suite Secret"),
    "token": N_("Token"),
    "encoding_aes_key": N_("EncodingAESKey"),
    "provider_corp_id": N_("服务商企业 ID"),
    "provider_secret": N_("ProviderSecret"),
}


@dataclass(frozen=True)
class SuiteSettings(Settings):
    """Values of the provider's application, as far as they were entered: ids, secrets, callback keys."""

    labels: ClassVar[Mapping[str, str]] = LABELS

    suite_id: str = ""
    suite_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    provider_corp_id: str = ""
    provider_secret: str = field(default="", repr=False)

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> SuiteSettings:
        entered = {**settings, **secrets}
        return cls(**{name: str(entered.get(name) or "").strip() for name in LABELS})


class SuiteClient(Caller):
    """The provider's own calls. ticket: the latest suite_ticket at the time it is asked for, "" while none has come."""

    def __init__(
        self,
        settings: SuiteSettings,
        api_base: str,
        *,
        ticket: Callable[[], str],
        tokens: TokenStore,
        transport: Transport,
    ) -> None:
        super().__init__(api_base, tokens, transport)
        self.settings = settings
        self._ticket = ticket

    # --- tokens ---------------------------------------------------------------------------------------------------

    def renew_suite_token(self) -> None:
        """Fetch a suite_access_token now, to prove that id, secret and ticket fit."""
        self._tokens.renew(self._suite.kind, self._suite.fetch)

    def renew_provider_token(self) -> None:
        """The same of the provider_access_token."""
        self._tokens.renew(self._provider.kind, self._provider.fetch)

    @property
    def _suite(self) -> Credential:
        self.settings.need("suite_id", "suite_secret")
        kind = token_kind("suite", self.settings.suite_id, self.settings.suite_secret)
        return Credential(kind, "suite_access_token", self._fetch_suite_token)

    @property
    def _provider(self) -> Credential:
        self.settings.need("provider_corp_id", "provider_secret")
        kind = token_kind("prov", self.settings.provider_corp_id, self.settings.provider_secret)
        return Credential(kind, "provider_access_token", self._fetch_provider_token)

    def _fetch_suite_token(self) -> tuple[str, int]:
        """Raises SuiteTicketMissing without a call while WeCom has not told us a ticket."""
        ticket = self._ticket()
        if not ticket:
            raise SuiteTicketMissing("no suite_ticket yet")
        known = {"suite_id": self.settings.suite_id, "suite_secret": self.settings.suite_secret}
        url = f"{self._base}/cgi-bin/service/get_suite_token"
        return self._fetched(self._transport.post_json(url, known | {"suite_ticket": ticket}), "suite_access_token")

    def _fetch_provider_token(self) -> tuple[str, int]:
        """https://developer.work.weixin.qq.com/document/path/91200"""
        known = {"corpid": self.settings.provider_corp_id, "provider_secret": self.settings.provider_secret}
        url = f"{self._base}/cgi-bin/service/get_provider_token"
        return self._fetched(self._transport.post_json(url, known), "provider_access_token")

    def fetch_corp_token(self, corp_id: str, permanent_code: str) -> tuple[str, int]:
        """One company's access token and its lifetime in seconds; kept by whoever asks.

        https://developer.work.weixin.qq.com/document/path/90605
        """
        content = self._as_suite(
            "get_corp_token", {"auth_corpid": corp_id, "permanent_code": permanent_code}, "access_token"
        )
        token, lifetime = content.get("access_token"), content.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lifetime, int):
            raise AnswerNotUnderstood("answered without access_token")
        return token, lifetime

    # --- installations --------------------------------------------------------------------------------------------

    def get_pre_auth_code(self) -> str:
        """What an install link carries; 20 minutes."""
        code = self._get_as(self._suite, "service/get_pre_auth_code", {}, "pre_auth_code").get("pre_auth_code")
        if not isinstance(code, str) or not code:
            raise AnswerNotUnderstood("answered without pre_auth_code")
        return code

    def get_permanent_code(self, auth_code: str) -> Json:
        """permanent_code, auth_corp_info; uses the auth_code up. Raises InstallAgain (40078) for a used or old one.

        https://developer.work.weixin.qq.com/document/path/100776
        """
        return self._as_suite("v2/get_permanent_code", {"auth_code": auth_code}, "permanent_code")

    def get_auth_info(self, corp_id: str, permanent_code: str) -> Json:
        """auth_corp_info, auth_info.agent[0]. https://developer.work.weixin.qq.com/document/path/90604"""
        known = {"auth_corpid": corp_id, "permanent_code": permanent_code}
        return self._as_suite("get_auth_info", known, "auth_info")

    # --- ids and people -------------------------------------------------------------------------------------------

    def get_own_corp_id(self, corp_id: str) -> str:
        """A company's plain id as the provider sees it. Raises AuthorizeAppFirst if it did not authorise the provider.

        https://developer.work.weixin.qq.com/document/path/95604
        """
        try:
            content = self.post_as_provider("service/corpid_to_opencorpid", {"corpid": corp_id}, "open_corpid")
        except CorpIdInvalid as error:
            raise AuthorizeAppFirst(
                error.detail, platform_code=error.platform_code, platform_message=error.platform_message, raw=error.raw
            ) from None
        found = content.get("open_corpid")
        if not isinstance(found, str) or not found:
            raise AnswerNotUnderstood("answered without open_corpid")
        return found

    def get_user(self, code: str) -> Json:
        """Who opened a page: corpid and userid, both as the provider sees them; no userid for an outsider.

        code is used up by this call. https://developer.work.weixin.qq.com/document/path/91121
        """
        return self._get_as(self._suite, "service/auth/getuserinfo3rd", {"code": code}, "corpid")

    def post_as_provider(self, path: str, body: Json, proof: str = "") -> Json:
        """Any call that takes the provider_access_token; path: below /cgi-bin/ ("license/get_app_license_info")."""
        return self._post_as(self._provider, path, body, proof)

    def _as_suite(self, name: str, body: Json, proof: str) -> Json:
        return self._post_as(self._suite, f"service/{name}", body, proof)
