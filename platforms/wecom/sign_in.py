"""Where WeCom proves who somebody is: silently inside its client, by scanning a code outside.

https://developer.work.weixin.qq.com/document/path/91022 and path/98152
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from platforms.base import Hosts


def url(
    app: Mapping[str, str], login_type: str, redirect_uri: str, state: str, hosts: Hosts, *, in_client: bool
) -> str:
    """app: what names the application; login_type: CorpApp (a company's own) or ServiceApp (a provider's)."""
    known = {**app, "redirect_uri": redirect_uri, "state": state}
    if in_client:
        query = {"response_type": "code", "scope": "snsapi_base"} | known
        return f"{hosts['oauth']}/connect/oauth2/authorize?{_encoded(query)}#wechat_redirect"
    return f"{hosts['login']}/wwlogin/sso/login?{_encoded({'login_type': login_type, 'lang': 'zh'} | known)}"


def for_suite(suite_id: str, redirect_uri: str, state: str, hosts: Hosts, *, in_client: bool) -> str:
    """The same for a provider's application, in whatever company. redirect_uri: on the application's own domain.

    https://developer.work.weixin.qq.com/document/path/91120
    """
    return url({"appid": suite_id}, "ServiceApp", redirect_uri, state, hosts, in_client=in_client)


def _encoded(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote, safe="")
