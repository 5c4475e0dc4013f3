"""The provider's application inside one company that installed it: the same calls, with another right to make them."""

from __future__ import annotations

from platforms.base import TokenStore
from platforms.http import Transport
from platforms.wecom.calls import Json
from platforms.wecom.client import Client
from platforms.wecom.errors import AuthorizeAppFirst
from platforms.wecom.licences import Desk
from platforms.wecom.settings import WeComSettings
from platforms.wecom.suite_client import SuiteClient


class InstalledClient(Client):
    """Its access token comes by the company's permanent code; people are named as the provider sees them."""

    def __init__(
        self, settings: WeComSettings, api_base: str, suite: SuiteClient, *, tokens: TokenStore, transport: Transport
    ) -> None:
        super().__init__(settings, api_base, tokens, transport)
        self.suite = suite

    @property
    def is_authorised(self) -> bool:
        return bool(self.settings.own_corp_id and self.settings.secret)

    def _check_credentials(self) -> None:
        if not self.is_authorised:
            raise AuthorizeAppFirst("no authorisation")

    def _agent_id(self) -> int:
        """Every company has another number for the application; it comes with the authorisation."""
        self._check_credentials()
        return super()._agent_id()

    def _fetch_token(self) -> tuple[str, int]:
        return self.suite.fetch_corp_token(self.settings.own_corp_id, self.settings.secret)

    @property
    def licences(self) -> Desk:
        settings = self.settings
        return Desk(self._post_as_provider, suite_id=settings.suite_id, corp_id=settings.own_corp_id)

    def _post_as_provider(self, path: str, body: Json) -> Json:
        self._check_credentials()
        return self.suite.post_as_provider(path, body)

    def get_user_id(self, code: str) -> str | None:
        """Who opened the page, or None for somebody outside this company, also a member of another one."""
        found = self.suite.get_user(code)
        user_id = found.get("userid")
        return str(user_id) if user_id and found.get("corpid") == self.settings.own_corp_id else None
