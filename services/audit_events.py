"""What the events of the audit record are called. A new event gets its line here; a test compares."""

from __future__ import annotations

from flask_babel import gettext

from texts import N_

EVENTS = {
    "sign_in": N_("登录"),
    "sign_in.failed": N_("登录失败"),
    "sign_in.locked": N_("登录已锁定"),
    "sign_in.disabled": N_("已停用的账户尝试登录"),
    "sign_out": N_("退出登录"),
    "password.changed": N_("修改密码"),
    "password.reset": N_("重置密码"),
    "member.added": N_("添加成员"),
    "member.renamed": N_("修改成员姓名"),
    "member.role_changed": N_("修改成员角色"),
    "member.disabled": N_("停用成员"),
    "member.restored": N_("恢复成员"),
    "member.left": N_("成员离开"),
    "member.asked": N_("申请加入"),
    "member.approved": N_("通过加入申请"),
    "member.refused": N_("拒绝加入申请"),
    "member.reopened": N_("重新审核加入申请"),
    "member.joined": N_("接受邀请加入"),
    "invitation.created": N_("创建邀请"),
    "invitation.revoked": N_("撤销邀请"),
    "invitation.declined": N_("谢绝邀请"),
    "link.created": N_("关联账号"),
    "link.ended": N_("取消关联"),
    "api_token.created": N_("创建 API 令牌"),
    "api_token.revoked": N_("删除 API 令牌"),
    "message.sent": N_("发送消息"),
    "integration.created": N_("添加集成"),
    "integration.changed": N_("修改集成"),
    "integration.secret_changed": N_("更换集成的密钥"),
    "integration.endpoint_changed": N_("修改集成的接口地址"),
    "integration.enabled": N_("启用集成"),
    "integration.disabled": N_("停用集成"),
    "integration.deleted": N_("删除集成"),
    "integration.monthly_limit_changed": N_("修改集成的每月额度"),
    "group.renamed": N_("修改群聊别名"),
    "policy.group_added": N_("让分派策略通知群聊"),
    "alert_source.created": N_("添加告警源"),
    "alert_source.enabled": N_("启用告警源"),
    "alert_source.disabled": N_("停用告警源"),
    "alert_source.deleted": N_("删除告警源"),
    "alert_source.tried_again": N_("重新处理未能入库的告警"),
    "alert_source.key_rotated": N_("更换告警源的密钥"),
    "alert_source.old_keys_ended": N_("作废告警源的旧密钥"),
    "template.created": N_("新建模板"),
    "template.changed": N_("修改模板"),
    "template.deleted": N_("删除模板"),
    "contact_sync.started": N_("开始通讯录同步"),
    "contact_sync.confirmed": N_("确认通讯录同步"),
    "contact_sync.discarded": N_("放弃通讯录同步"),
    "contact_sync.finished": N_("完成通讯录同步"),
    "contact_sync.passwords_shown": N_("查看同步生成的初始密码"),
    "team.created": N_("新建团队"),
    "team.changed": N_("修改团队"),
    "team.deleted": N_("删除团队"),
    "department.created": N_("新建部门"),
    "department.changed": N_("修改部门"),
    "department.deleted": N_("删除部门"),
    "seat.number_changed": N_("修改 License 数量"),
    "seat.given": N_("分配 License"),
    "seat.taken_back": N_("收回 License"),
    "organisation.created": N_("新建组织"),
    "organisation.changed": N_("修改组织"),
    "organisation.frozen": N_("冻结组织"),
    "organisation.unfrozen": N_("解冻组织"),
    "audit.exported": N_("导出审计日志"),
    "instance.set_up": N_("完成安装"),
    "instance.wrong_setup_code": N_("安装码错误"),
}


def say_event(event: str) -> str:
    """An event in the reader's language; one of an earlier or later version as it is stored."""
    label = EVENTS.get(event)
    return gettext(label) if label else event
