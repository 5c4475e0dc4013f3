"""Setting a platform up, as data: documented steps, values to paste and to copy, proofs that something works.

A platform's own setup.py fills these in; services/setup.py keeps what was typed and decides when a step is done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platforms.licences import LicenceRules
from texts import N_

NOT_OFFERED = N_("请从列出的选项中选择")


@dataclass(frozen=True)
class SetupField:
    """A value the administrator pastes in. name: key in settings or, if secret, in secrets.

    kind: text | secret | domain | url | bool | choice | file; pattern: what it must look like, and `wrong` says so to
    the reader; suspects: shapes that show which wrong value was pasted, (pattern, sentence) each; no right value has
    one. depends_on: name of a bool field that must be true for this one to be asked; choices: (value, label) pairs of
    a bool or choice field, the default first (of a bool, "" is stored as false).
    asks_again: secrets that have to be entered again when this changes, since they would be sent somewhere else.
    unless_filled: what to know about the connection as long as this field, which may stay empty, is empty.
    """

    name: str
    label: str
    help: str = ""
    kind: str = "text"
    pattern: str = ""
    wrong: str = ""
    required: bool = True
    placeholder: str = ""
    suspects: tuple[tuple[str, str], ...] = ()
    depends_on: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    asks_again: tuple[str, ...] = ()
    unless_filled: str = ""

    @property
    def is_secret(self) -> bool:
        return self.kind == "secret"

    @property
    def is_needed(self) -> bool:
        """Whether the connection is incomplete without it; a choice always has its default."""
        return self.required and not self.is_choice

    @property
    def is_choice(self) -> bool:
        return self.kind in {"bool", "choice"}

    @property
    def default(self) -> str:
        """What counts while nothing was entered: of a choice its first."""
        return self.choices[0][0] if self.is_choice else ""

    def problems(self, value: str) -> list[str]:
        """Why `value` cannot be right, as catalogue ids: what it should look like, then what it looks like.

        Empty for a value that fits, and for no value: whether one is missing is another question.
        """
        if not value:
            return []
        fits = re.fullmatch(self.pattern, value) is not None if self.pattern else self._is_offered(value)
        looks_like = next((sentence for shape, sentence in self.suspects if re.search(shape, value)), "")
        return [sentence for sentence in ("" if fits else self.wrong or NOT_OFFERED, looks_like) if sentence]

    def _is_offered(self, value: str) -> bool:
        return not self.is_choice or value in {offered for offered, _label in self.choices}


@dataclass(frozen=True)
class SetupValue:
    """A value to copy out of the product. name: key of services.integrations.addresses(); qr: also as QR code.

    separator  between several of them ("egress_ips"), as the vendor's console takes it
    """

    name: str
    label: str
    help: str = ""
    qr: bool = False
    separator: str = ";"

    def shown(self, value: str) -> str:
        return value.replace(";", self.separator)


@dataclass(frozen=True)
class SetupCode:
    """A word to enter or to tick in the vendor's console: a permission's code, an event's name. reason: what for."""

    code: str
    reason: str = ""
    required: bool = True


@dataclass(frozen=True)
class SetupFile:
    """A file to download here and to upload in the vendor's console. name: with its ending, unique in the mode."""

    name: str
    label: str
    content: str
    content_type: str = "application/json"
    help: str = ""


@dataclass(frozen=True)
class SetupPicture:
    """A picture of ours to download and to hand in to the vendor's console. path: under static/."""

    path: str
    label: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


APP_ICON = SetupPicture("img/dutybell-icon.png", N_("应用图标"))
ENTRY_ICON = SetupPicture("img/dutybell-entry-icon.png", N_("群快捷入口图标"))
"""Square with plain corners, which the clients round: 480 × 480 for applications and robots, 48 × 48 for the entry."""


@dataclass(frozen=True)
class SetupGuide:
    """A page of the vendor's documentation that says more. title: as the vendor calls it; url: where it is."""

    title: str
    url: str


@dataclass(frozen=True)
class SetupCheck:
    """A proof that something works. waits_for: said while it has not been seen; mend_step: where to mend a failure.

    active  the product can try it now by a call (else it is only seen when somebody else acts)
    depends_on  name of a bool field that must be true for this check to matter
    """

    name: str
    label: str
    waits_for: str
    mend_step: str
    active: bool = False
    depends_on: str = ""


@dataclass(frozen=True)
class DrawnField:
    label: str
    value: str = ""
    highlighted: bool = False
    button: str = ""


@dataclass(frozen=True)
class Drawing:
    """A light mock of the vendor's console screen: menu on the left, fields, the ones to touch highlighted."""

    title: str
    menu: tuple[str, ...]
    active_menu: str
    fields: tuple[DrawnField, ...]


@dataclass(frozen=True)
class SetupStep:
    """One documented step of a platform's setup, as data. Texts are catalogue ids.

    where         menu path in the vendor's console, element by element, in the vendor's own words
    console_path  what is appended to the console's base address for a deep link; {app_id} stands for that setting
    codes         to copy one by one or together; codes_label: what they are called there
    checklist     what to look at once more before the step's last press, such as publishing
    shows_group_events  when each of the platform's events about groups last came
    shows_groups  the groups that the application can post to appear here as soon as they are known
    """

    key: str
    title: str
    where: tuple[str, ...]
    console_path: str
    instructions: tuple[str, ...]
    drawing: Drawing | None = None
    fields: tuple[SetupField, ...] = ()
    values: tuple[SetupValue, ...] = ()
    cautions: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    codes: tuple[SetupCode, ...] = ()
    codes_label: str = N_("权限")
    files: tuple[SetupFile, ...] = ()
    pictures: tuple[SetupPicture, ...] = ()
    guide: SetupGuide | None = None
    checklist: tuple[str, ...] = ()
    shows_groups: bool = False
    shows_group_events: bool = False


@dataclass(frozen=True)
class CheckResult:
    """What an active check found. detail: {code, message, hint, params, raw} for a failure, facts for a success.

    is_premature  nothing was found out yet: a value is missing, or something else has to work first
    """

    passed: bool
    detail: dict[str, Any] = field(default_factory=dict)
    is_premature: bool = False


@dataclass(frozen=True)
class SetupMode:
    """One way to set a platform up: its steps in order, its checks by name.

    needs_provider  it is a provider's application, installed in the company (platforms/provider.py)
    proven_by       name of the check without which the connection does not begin to work; a save tries it at once
    exact_ids       ids of people differ by case too, whatever the platform's capabilities say
    licences        the platform asks a licence for each person whom it reaches; None: it does not
    withheld        what the platform does not give in this mode: feature → why, said to the reader ("war_room")
    """

    slug: str
    label: str
    steps: tuple[SetupStep, ...]
    checks: tuple[SetupCheck, ...]
    needs_provider: bool = False
    proven_by: str = ""
    exact_ids: bool = False
    licences: LicenceRules | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)

    def checks_for(self, settings: Mapping[str, Any]) -> tuple[SetupCheck, ...]:
        """The checks that matter with these settings."""
        return tuple(check for check in self.checks if not check.depends_on or settings.get(check.depends_on))

    def fields_for(self, settings: Mapping[str, Any]) -> tuple[SetupField, ...]:
        """The fields that are asked with these settings."""
        return tuple(f for f in self.fields if not f.depends_on or settings.get(f.depends_on))

    def check(self, name: str) -> SetupCheck:
        return next(check for check in self.checks if check.name == name)

    def step(self, key: str) -> SetupStep:
        return next(step for step in self.steps if step.key == key)

    def file(self, name: str) -> SetupFile | None:
        return next((file for step in self.steps for file in step.files if file.name == name), None)

    @property
    def fields(self) -> tuple[SetupField, ...]:
        return tuple(setup_field for step in self.steps for setup_field in step.fields)


def trying(where: tuple[str, ...], received: str) -> SetupStep:
    """The last step of every platform: a test card is sent, and its button pressed.

    where  of the platform's client; received: that the card comes, and from whom
    """
    return SetupStep(
        key="try_it",
        title=N_("试一下"),
        where=where,
        console_path="",
        instructions=(
            N_("先在工作台打开应用并登录，完成账号关联。"),
            received,
            N_("点击卡片上的按钮，本页会显示收到的操作。"),
        ),
        checks=("message", "press"),
    )
