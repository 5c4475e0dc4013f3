"""What becomes of one person of the platform: the table of docs/contact-sync.md, second step.

Pure: facts in, a decision out; others apply it.
"""

from __future__ import annotations

from dataclasses import dataclass

from models import LinkState, MembershipState, Pairing
from texts import N_

BOUND = "bound"
UPDATED = "updated"
REVIEW = "review"
CREATED = "created"
TAKEN = "username_taken"
GONE = "account_gone"
REFUSED = "refused"
ELSEWHERE = "linked_elsewhere"
EXCLUDED = "excluded"
UNBOUND = "unbound"
CONFLICT = "conflict"

LINES = {
    BOUND: N_("用户 %(name)s 部门已更新"),
    UPDATED: N_("用户 %(real_name)s(%(username)s) 更新成功！"),
    REVIEW: N_("用户 %(name)s 已提交审核"),
    CREATED: N_("用户 %(real_name)s(%(username)s) 创建成功！"),
    TAKEN: N_("失败：账号 %(username)s 已存在，请手动绑定"),
    GONE: N_("失败：%(platform)s用户 %(name)s 对应的组织用户没有匹配到！"),
    REFUSED: N_("失败：该成员已被拒绝加入"),
    ELSEWHERE: N_("失败：账号 %(username)s 已关联另一个用户"),
    EXCLUDED: N_("用户 %(name)s 本次未同步"),
    UNBOUND: N_("用户 %(name)s 已被解除绑定，下次同步时处理"),
    CONFLICT: N_("失败：用户 %(name)s 同时被他人修改，请重新同步"),
}
"""The report's sentence for each outcome."""
TOTALS = {
    CREATED: "created",
    UPDATED: "updated",
    BOUND: "updated",
    REVIEW: "review",
    EXCLUDED: "skipped",
    UNBOUND: "skipped",
}
"""Under which number of the report an outcome is counted; the others are failures."""


@dataclass(frozen=True)
class Account:
    """An account here. place: its state in this organisation, None if it has none; linked_to: whom here already.

    place_id  of the membership
    """

    user_id: int
    username: str
    real_name: str
    place: MembershipState | None
    linked_to: str | None = None
    place_id: int | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a person there at the moment.

    link        the account that this person is linked with
    paired      the account that was chosen in the comparison, None if it is gone; is_paired: whether one was chosen
    generated   the account that was made for this very person earlier
    username    what a new account would be called; is_taken: whether somebody is
    """

    external_user_id: str
    name: str
    pairing: Pairing
    is_included: bool
    username: str
    is_taken: bool
    is_paired: bool = False
    link: Account | None = None
    link_state: LinkState | None = None
    paired: Account | None = None
    generated: Account | None = None


@dataclass(frozen=True)
class Decision:
    """What to do. account: whose, None for a new one or none at all.

    link        the state that the link has afterwards, None: no link is made or changed
    place       the state of the membership afterwards, None: it stays as it is
    fills_name  give the account this person's name, as it has none
    """

    outcome: str
    account: Account | None = None
    link: LinkState | None = None
    place: MembershipState | None = None
    creates: bool = False
    fills_name: bool = False

    @property
    def has_place(self) -> bool:
        """Whether a membership is there afterwards, which departments can be given to."""
        return self.creates or self.place is not None or (self.account is not None and self.account.place is not None)


def decide(facts: Facts) -> Decision:
    if facts.link is not None:
        return _bound(facts.link, facts.link_state)
    if facts.pairing is Pairing.BOUND:
        return Decision(UNBOUND)
    if not facts.is_included:
        return Decision(EXCLUDED)
    if facts.is_paired:
        return _joined(facts.paired, facts) if facts.paired else Decision(GONE)
    return _unpaired(facts)


def _unpaired(facts: Facts) -> Decision:
    """Nobody was paired with this person: the account that was made for them, or a new one unless its name is taken."""
    if facts.generated is not None:
        return _joined(facts.generated, facts)
    if facts.is_taken:
        return Decision(TAKEN)
    return Decision(CREATED, link=LinkState.ACTIVE, place=MembershipState.ACTIVE, creates=True)


def _bound(account: Account, state: LinkState | None) -> Decision:
    """Somebody who had left and is found again asks to come back; a link that failed is alive again."""
    if account.place is MembershipState.LEFT:
        return Decision(REVIEW, account, LinkState.PENDING, MembershipState.UNDER_REVIEW)
    is_alive = state is LinkState.BROKEN and account.place is MembershipState.ACTIVE
    return Decision(BOUND, account, LinkState.ACTIVE if is_alive else None)


def _joined(account: Account, facts: Facts) -> Decision:
    """An account that exists, by its place in this organisation."""
    if account.linked_to is not None:
        return Decision(ELSEWHERE, account)
    if account.place is MembershipState.REFUSED:
        return Decision(REFUSED, account)
    if account.place is MembershipState.ACTIVE:
        return Decision(UPDATED, account, LinkState.ACTIVE, fills_name=not account.real_name)
    moves = account.place in {None, MembershipState.LEFT}
    return Decision(REVIEW, account, LinkState.PENDING, MembershipState.UNDER_REVIEW if moves else None)
