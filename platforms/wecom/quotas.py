"""How many people one application may tell something a day.

https://developer.work.weixin.qq.com/document/path/90454: a message to a thousand people counts as a thousand, a refusal
lasts until the natural day ends. Updates of cards and messages to group chats have limits of their own.
"""

from __future__ import annotations

from platforms.quotas import Counted, Period, Quota
from texts import N_

PEOPLE_A_DAY = Quota(
    period=Period.DAY,
    counted=Counted.PEOPLE,
    number="account_limit",
    times=200,
    told_apart_by=("corp_id", "agent_id"),
    title=N_("今日应用消息"),
    used=N_("已发送人次"),
    granted=N_("每日额度（人次）"),
    no_limit=N_("未知"),
    entry=N_("账号上限数，0 表示未知"),
    entry_help=N_(
        "企业微信规定每个应用每天最多发送 账号上限数 × 200 人次。"
        "账号上限数在 管理后台 → 我的企业 → 企业信息 的「已使用/人数上限」中，是斜线后的数字。"
    ),
    used_up=N_("今日发送人次已达到额度"),
    then=N_("企业微信可能拒绝发送消息，次日 0 点恢复，系统会自动重试；更新卡片不受影响。也可以在企业微信申请扩容。"),
    about=N_("只计本系统发送成功的人次，更新卡片与群聊消息不计；发给全员的消息按已关联的成员数计。"),
)
