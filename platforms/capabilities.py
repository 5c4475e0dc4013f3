"""What differs between platforms, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from platforms.quotas import Quota
from platforms.rooms import RoomLimits


@dataclass(frozen=True)
class Capabilities:
    """What differs between platforms, as data. Texts are catalogue ids.

    channel_kind        the personal channel: "wecom_app"
    updates_need_codes  a card can only be changed with an unused right to do so
    update_code_hours   how long such a right lives
    update_note         what a person should know about cards that could not be changed; "" where there is nothing
    browser_hint        how a person has the client open links in the system's browser, where that is a secret
    body_lines, buttons, facts   how much of a card is shown
    body_characters     as much of the custom area as the platform advises; 0: it advises nothing
    pictures            how cards show an alert's: by "address", "uploaded" by upload_picture(), "": not at all
    body_bytes          more of the custom area, in UTF-8, is cut with …; 0: the lines alone count
    escape_body         writes any text so that it is no markup in the custom area; None: the area is plain text
    refuses_markup      a card whose markup it does not understand is not drawn (an update goes once more without it)
    answers_in_reply    the press's answer can carry the presser's new card
    reply_reaches_all   … and then everybody in a group sees that card (else a group's card is updated as well)
    tells_in_reply      the press's answer can carry a sentence (else a refusal is told in a private message)
    notices_per_update  … which stays in that person's view of a group's card: from so many an update takes it away
    has_refresh_button  every card carries 状态刷新 (else only one whose update has failed)
    coalesce_seconds    how long changes wait for one another before a card is updated
    sends_per_member_minute, sends_per_member_hour   more messages to one person are dropped without a word; 0: no limit
    sends_per_group_minute   more cards to one group than people read are told in one summary; 0: no limit
    dedupe_hours        how long the platform knows a message again that is sent once more, so that it arrives once
    user_agent_mark     what the user agent of the platform's own browser contains
    one_per_tenant      an organisation connects this platform once
    workbench_hint      how a person opens the application once, to be linked
    has_groups          cards can be sent to group chats; lists_groups: read_groups() also finds those nobody told us of
    no_groups_hint      what to do, step by step, while there is no group to choose
    callbacks           the last parts of the addresses that the platform calls: ("",) or ("event", "card")
    sign_in_scripts     scripts under static/, in order, that ask the client for a sign-in code; (): a redirect does
    group_parameter     what names the group in the address that its quick entry opens; "": groups have no such entry
    code_names          how the parameter with the code may be called on the way back from sign_in_url
    keeps_lost_events   events that we did not answer can be asked for: read_lost_events()
    group_events        (change of GroupEvent, what the console calls its event), those that are to be subscribed to
    group_origin        how a group becomes known by an event: "cool_app", "bot_added"
    sends_per_chat_second   messages a second to one person or group; 0: no limit
    sends_per_second, sends_per_minute   of one application; the latter for sending and updating each; 0: no limit
    update_days         for how long a card can be changed; 0: as long as there is a right to
    quota               what it grants only so much of, to be counted and shown; None: nothing that we use
    folds_ids           ids of people that differ in case alone are the same person's
    lists_contacts      the company's departments and their members can be read
    no_contacts_hint    why nobody may be found there, and what to do
    contact_fields      how its contacts are set up: (what the documents call it, name of the set-up field)
    contact_steps       what is to be done in its console for that: (sentence, what it asks to be entered there:
                        trusted_domain, egress_ips or home_url)
    rooms               limits of groups that the application makes itself (Platform.rooms); None: it can make none
    sending_name        what the send-message interface calls the platform
    everybody           the id that stands for everybody in the visible range; "": one message cannot reach them all
    """

    channel_kind: str
    updates_need_codes: bool
    update_code_hours: int
    body_lines: int
    buttons: int
    facts: int
    answers_in_reply: bool
    has_refresh_button: bool
    coalesce_seconds: float
    sends_per_member_minute: int
    sends_per_member_hour: int
    dedupe_hours: int
    user_agent_mark: str
    one_per_tenant: bool
    workbench_hint: str
    update_note: str = ""
    browser_hint: str = ""
    reply_reaches_all: bool = True
    tells_in_reply: bool = False
    notices_per_update: int = 0
    refuses_markup: bool = False
    has_groups: bool = False
    lists_groups: bool = False
    no_groups_hint: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ("",)
    sign_in_scripts: tuple[str, ...] = ()
    group_parameter: str = ""
    code_names: tuple[str, ...] = ("code",)
    group_origin: str = "bot_added"
    keeps_lost_events: bool = False
    group_events: tuple[tuple[str, str], ...] = ()
    sends_per_chat_second: int = 0
    sends_per_group_minute: int = 0
    sends_per_second: int = 0
    sends_per_minute: int = 0
    update_days: int = 0
    quota: Quota | None = None
    folds_ids: bool = True
    everybody: str = ""
    rooms: RoomLimits | None = None
    sending_name: str = ""
    pictures: str = ""
    body_characters: int = 0
    body_bytes: int = 0
    escape_body: Callable[[str], str] | None = None
    lists_contacts: bool = False
    no_contacts_hint: tuple[str, ...] = ()
    contact_fields: tuple[tuple[str, str], ...] = ()
    contact_steps: tuple[tuple[str, str], ...] = ()
