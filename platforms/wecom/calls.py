"""One call of WeCom's API: the token it needs, the errcode it answers. What is called is said elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from platforms.base import TokenStore
from platforms.errors import AnswerNotUnderstood
from platforms.http import Answer, Transport
from platforms.wecom.errors import (
    NO_OTHERS,
    LicenceMissing,
    Meanings,
    NobodyReached,
    SuiteTokenRejected,
    TokenRejected,
    from_answer,
)

MAX_TOKEN_BYTES = 512

Json = dict[str, Any]


@dataclass(frozen=True)
class Credential:
    """A token that calls need. kind: its name in the cache; parameter: how the calls name it in their address."""

    kind: str
    parameter: str
    fetch: Callable[[], tuple[str, int]]


class Caller:
    """Calls with tokens out of a store; a token that WeCom rejects is replaced once for each call."""

    def __init__(self, api_base: str, tokens: TokenStore, transport: Transport) -> None:
        self._base = api_base.rstrip("/")
        self._tokens = tokens
        self._transport = transport

    def _get_as(self, credential: Credential, path: str, params: Mapping[str, str], proof: str = "") -> Json:
        url = f"{self._base}/cgi-bin/{path}"
        return self._with_token(credential, proof, lambda token: self._transport.get(url, {**params, **token}))

    def _post_as(
        self, credential: Credential, path: str, body: Json, proof: str = "", meanings: Meanings = NO_OTHERS
    ) -> Json:
        url = f"{self._base}/cgi-bin/{path}"
        return self._with_token(credential, proof, lambda token: self._transport.post_json(url, body, token), meanings)

    def _with_token(
        self,
        credential: Credential,
        proof: str,
        call: Callable[[dict[str, str]], Answer],
        meanings: Meanings = NO_OTHERS,
    ) -> Json:
        """Call with a token; when WeCom ended it early (40014, 42001, 40082, 42009), with a new one, once.

        proof, meanings  as of understood()
        """
        token = self._tokens.get(credential.kind, credential.fetch)
        try:
            return understood(call({credential.parameter: token}), proof, meanings)
        except (TokenRejected, SuiteTokenRejected):
            self._tokens.drop(credential.kind, token)
        token = self._tokens.get(credential.kind, credential.fetch)
        return understood(call({credential.parameter: token}), proof, meanings)

    def _fetched(self, answer: Answer, name: str) -> tuple[str, int]:
        """The token called `name` of an answer and its lifetime in seconds."""
        content = understood(answer, proof=name)
        token, lifetime = content.get(name), content.get("expires_in")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_BYTES or not isinstance(lifetime, int):
            raise AnswerNotUnderstood(f"answered without {name}")
        return token, lifetime


def understood(answer: Answer, proof: str = "", meanings: Meanings = NO_OTHERS) -> Json:
    """The answer's object, if its errcode is 0. A missing or odd errcode is not a success.

    proof     a member that shows success where errcode may be left out, as some of a provider's calls do
    meanings  codes that mean something else of this call
    """
    content = answer.json()
    errcode = content.get("errcode", 0 if proof and content.get(proof) else None)
    if isinstance(errcode, bool) or not isinstance(errcode, int):
        raise AnswerNotUnderstood("no errcode", http_status=answer.status, raw=answer.excerpt())
    if errcode == 0 and answer.status == 200:
        return content
    if errcode == 0:
        raise AnswerNotUnderstood("HTTP status", http_status=answer.status, raw=answer.excerpt())
    raw, errmsg = answer.excerpt(), str(content.get("errmsg") or "")
    error = from_answer(errcode, errmsg, raw=raw, http_status=answer.status, meanings=meanings)
    if isinstance(error, NobodyReached) and names(content.get("unlicenseduser")):
        raise LicenceMissing(error.detail, platform_code=errcode, platform_message=error.detail, raw=raw)
    raise error


def names(listed: Any) -> list[str]:
    """A list of userids: joined by | from sending, an array from updating."""
    found = listed if isinstance(listed, list) else str(listed or "").split("|")
    return [str(name) for name in found if name]
