"""What members do with groups: make them, add and remove bots, rename, disband; and the events of each."""

from __future__ import annotations

from typing import Any

from simulator.feishu import pushes
from simulator.feishu.context import Feishu
from simulator.feishu.setup import SetupError
from simulator.feishu.state import App, Chat, Message, Tenant, new_id

MAX_NAME = 60
MAX_BOTS = 15

Json = dict[str, Any]
Deliveries = list[pushes.Delivery]


def create(feishu: Feishu, tenant: Tenant, name: str, people: list[str], *, owner: str = "", chat_id: str = "") -> Chat:
    """A group of members; the first of them owns it unless another is named. The lock is held."""
    unknown = [user_id for user_id in people if user_id not in tenant.people]
    if unknown:
        raise SetupError(f"没有这个成员：{unknown[0]}")
    if not people:
        raise SetupError("请选择群成员")
    chat_id = chat_id or new_id("oc")
    if chat_id in feishu.state.chats:
        raise SetupError(f"群 {chat_id} 已存在")
    named = name.strip()[:MAX_NAME] or "（无主题）"
    chat = Chat(chat_id, tenant.tenant_key, named, owner or people[0], people=list(people), created_at=feishu.now)
    feishu.state.chats[chat_id] = chat
    feishu.store.touch()
    return chat


def add_bot(feishu: Feishu, chat: Chat, app: App, by: str) -> Deliveries:
    """群机器人 → 添加机器人. Only a released bot of the same tenant can be found. The lock is not held."""
    with feishu.store.lock:
        if not app.has_bot or app.tenant_key != chat.tenant_key or not app.enabled:
            raise SetupError("找不到这个机器人：应用需要启用机器人能力并发布版本")
        if app.app_id in chat.bots:
            return []
        if len(chat.bots) >= MAX_BOTS:
            raise SetupError(f"一个群最多添加 {MAX_BOTS} 个机器人")
        chat.bots.append(app.app_id)
        _say(feishu, chat, f"{_name(feishu, chat, by)} 将机器人 {app.name} 添加到群聊")
    return _tell(feishu, chat, [app], "im.chat.member.bot.added_v1", by=by, more=_names(chat))


def remove_bot(feishu: Feishu, chat: Chat, app: App, by: str) -> Deliveries:
    """Only the bot that goes is told. The lock is not held."""
    with feishu.store.lock:
        if app.app_id not in chat.bots:
            return []
        chat.bots.remove(app.app_id)
        _say(feishu, chat, f"{_name(feishu, chat, by)} 将机器人 {app.name} 移出群聊")
    return _tell(feishu, chat, [app], "im.chat.member.bot.deleted_v1", by=by, more=_names(chat))


def rename(feishu: Feishu, chat: Chat, name: str, by: str) -> Deliveries:
    """群名称. The lock is not held."""
    with feishu.store.lock:
        before, named = chat.name, name.strip()[:MAX_NAME]
        if not named or named == before:
            return []
        chat.name = named
        _say(feishu, chat, f"{_name(feishu, chat, by)} 修改群名称为 {named}")
        bots = _bots(feishu, chat)
    change = {"after_change": {"name": named}, "before_change": {"name": before}}
    return _tell(feishu, chat, bots, "im.chat.updated_v1", by=by, more=change)


def disband(feishu: Feishu, chat: Chat, by: str, *, keeps_history: bool = False) -> Deliveries:
    """解散群组. Nobody is told when the members keep the history (为群成员保留历史记录). The lock is not held."""
    with feishu.store.lock:
        if chat.is_dissolved:
            return []
        chat.is_dissolved = True
        _say(feishu, chat, f"{_name(feishu, chat, by)} 解散了群组")
        bots = [] if keeps_history else _bots(feishu, chat)
    return _tell(feishu, chat, bots, "im.chat.disbanded_v1", by=by, more=_names(chat))


def bots_to_add(feishu: Feishu, chat: Chat) -> list[App]:
    apps = feishu.state.apps_of(chat.tenant_key)
    return [app for app in apps if app.has_bot and app.enabled and app.app_id not in chat.bots]


def _tell(feishu: Feishu, chat: Chat, apps: list[App], event_type: str, *, by: str, more: Json) -> Deliveries:
    sent = []
    for app in apps:
        tenant = feishu.state.tenants[chat.tenant_key]
        operator = {"open_id": app.open_id(by), "union_id": tenant.union_id(by)}
        event: Json = {"chat_id": chat.chat_id, "operator_id": operator, "external": chat.is_external}
        event |= {"operator_tenant_key": chat.tenant_key} | more
        sent.append(pushes.emit(feishu, app, event_type, event))
    return [delivery for delivery in sent if delivery]


def _names(chat: Chat) -> Json:
    return {"name": chat.name, "i18n_names": {"zh_cn": chat.name, "en_us": chat.name, "ja_jp": chat.name}}


def _bots(feishu: Feishu, chat: Chat) -> list[App]:
    return [feishu.state.apps[app_id] for app_id in chat.bots if app_id in feishu.state.apps]


def _name(feishu: Feishu, chat: Chat, user_id: str) -> str:
    person = feishu.state.tenants[chat.tenant_key].people.get(user_id)
    return person.name if person else "管理员"


def _say(feishu: Feishu, chat: Chat, text: str) -> None:
    """A grey line of the client itself."""
    feishu.state.keep(Message(new_id("om"), "", chat.chat_id, "system", {"text": text}, feishu.now))
    feishu.store.touch()
