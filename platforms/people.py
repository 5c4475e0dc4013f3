"""Who is on a platform: people, departments and group chats, by the ids that the application knows them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipient:
    """A person or a group chat, by the id that the platform uses inside this application.

    details  of a group: what the platform wants to be told again with every message there (Group.details)
    is_everybody  meant is everybody in the application's visible range; external_id is capabilities.everybody
    """

    external_id: str
    name: str = ""
    is_group: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    is_everybody: bool = False


@dataclass(frozen=True)
class Group:
    """A group chat that the application can post to. name: "" and member_count: None while nobody has told it."""

    external_id: str
    name: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    member_count: int | None = None


@dataclass(frozen=True)
class GroupList:
    """Groups that a platform told of. calls: how many questions that took.

    is_complete  False where it stopped before the end: what is missing then may be there all the same
    """

    groups: Sequence[Group] = ()
    calls: int = 1
    is_complete: bool = True


@dataclass(frozen=True)
class PlatformIdentity:
    """Who the platform says is using the in-app page; None as id: not a member of the connected company.

    external_union_id  what stays with the person whoever has their id in the company later; "": the platform tells none
    """

    external_user_id: str | None
    name: str = ""
    external_union_id: str = ""


@dataclass(frozen=True)
class Department:
    """A department that the application may see. parent_id: "" where the parent is not seen, or there is none."""

    external_id: str
    name: str
    parent_id: str = ""
    order: int = 0


@dataclass(frozen=True)
class Contact:
    """A member of the company that the application may see. name: "" where the platform withholds it."""

    external_user_id: str
    name: str
