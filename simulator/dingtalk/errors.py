"""How DingTalk says no: the envelopes of its two API families.

https://open.dingtalk.com/document/development/server-api-overview
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from flask import Response

NO_PERMISSION = (
    "没有调用该接口的权限，接口权限申请参考：https://open.dingtalk.com/document/orgapp-server/add-api-permission"
)

Json = dict[str, Any]


class ApiError(Exception):
    """A refusal of the new API (api.dingtalk.com): HTTP status, code, text, and what else belongs into the body."""

    def __init__(self, code: str, message: str = "", status: int = 400, **more: Any) -> None:
        super().__init__(code)
        self.code, self.message, self.status, self.more = code, message or code, status, more

    def response(self) -> Response:
        body = {"code": self.code, "requestid": str(uuid.uuid4()).upper(), "message": self.message}
        return json_response(body | self.more, self.status)


class OldError(Exception):
    """A refusal of the old API (oapi.dingtalk.com), always HTTP 200.

    is_wrapped  inside errcode 88 with the number as text in sub_code, as the gateway before topapi does
    """

    def __init__(self, errcode: int, errmsg: str, *, is_wrapped: bool = False) -> None:
        super().__init__(errmsg)
        self.errcode, self.errmsg, self.is_wrapped = errcode, errmsg, is_wrapped

    def response(self) -> Response:
        request_id = uuid.uuid4().hex[:13]
        if not self.is_wrapped:
            return json_response({"errcode": self.errcode, "errmsg": self.errmsg, "request_id": request_id})
        told = f"ding talk error[subcode={self.errcode},submsg={self.errmsg}]"
        body = {"errcode": 88, "sub_code": str(self.errcode), "sub_msg": self.errmsg, "errmsg": told}
        return json_response(body | {"request_id": request_id})


def json_response(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status=status, mimetype="application/json")


def missing_permission(point: str) -> ApiError:
    code = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
    return ApiError(code, NO_PERMISSION, 403, accessdenieddetail={"requiredScopes": [point]})


def missing_old_permission(point: str, client_id: str) -> OldError:
    link = f"https://open-dev.dingtalk.com/appscope/apply?content={client_id}%23{point}"
    return OldError(60011, f"应用尚未开通所需的权限：[{point}]，点击链接申请并开通即可：{link}", is_wrapped=True)


def invalid_token() -> ApiError:
    return ApiError("InvalidAuthentication", "不合法的access_token")


def address_refused(client_ip: str) -> ApiError:
    told = f"访问ip不在白名单之中，请参考FAQ：https://open.dingtalk.com/document/org-faq/app-faq,request ip={client_ip}"
    return ApiError("Forbidden.AccessDenied.IpNotInWhiteList", told, 403)


def old_address_refused(client_ip: str, client_id: str) -> OldError:
    faq = "https://open.dingtalk.com/document/org-faq/app-faq"
    return OldError(60020, f"访问ip不在白名单之中，请参考FAQ：{faq},request ip={client_ip} appKey({client_id})")


def too_fast(code: str = "QpsLimitForAppkeyAndApi") -> ApiError:
    told = "您的企业应用调用钉钉开放平台当前接口的所有请求都被暂时禁用了"
    return ApiError(f"Forbidden.AccessDenied.{code}", told, 403)
