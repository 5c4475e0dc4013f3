"""Opening a provider's application without a licence: WeCom shows a page of its own and tells the provider.

https://developer.work.weixin.qq.com/document/path/95716
"""

from __future__ import annotations

from threading import Thread

from simulator.wecom import callbacks, licence_events
from simulator.wecom.context import WeCom
from simulator.wecom.state import App, Corp
from simulator.wecom.xml import element

TITLE = "暂无使用权限"
TEXT = "该应用未为你开通企业微信接口许可，请联系应用服务商。"


def admits(wecom: WeCom, corp: Corp, app: App, userid: str) -> bool:
    """Whether the member gets past that page; opening is one of the moments that activate a licence by itself."""
    person, now = corp.person(userid), wecom.store.now()
    if not app.suite_id or person is None or corp.licences.is_licensed(person.userid, now):
        return True
    given = corp.licences.activate_by_itself(person.userid, now)
    if given is not None:
        code, status = given
        shown, scene = wecom.shown_user(corp, app, person.userid), licence_events.OPENED
        event = licence_events.activated(code, shown, scene=scene, status_before=status)
        wecom.system_events.append((corp.corp_id, event))
        return True
    if corp.can_see(app, person):
        plaintext = _stopped(wecom, corp, app, person.userid)
        Thread(target=callbacks.deliver, args=(wecom, corp, app, plaintext), daemon=True).start()
    return False


def _stopped(wecom: WeCom, corp: Corp, app: App, userid: str) -> str:
    """The message to the data address, which is sent once the lock is let go."""
    parts = (
        element("ToUserName", wecom.shown_corp(corp, app)),
        element("FromUserName", wecom.shown_user(corp, app, userid)),
        element("CreateTime", int(wecom.store.now())),
        element("MsgType", "event"),
        element("Event", "unlicensed_notify"),
        element("AgentID", app.agent_id),
    )
    return f"<xml>{''.join(parts)}</xml>"
