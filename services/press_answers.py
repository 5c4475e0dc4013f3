"""What came of a press, and what of it is kept so that a repeat of the same press gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from platforms.base import CardButton, Fact, IncidentCard, Picture, PressAnswer
from services.late_answers import Answered
from texts import Text


@dataclass(frozen=True)
class PressResult:
    """What the platform is answered; text: what happened, also where the answer has no place for it.

    is_urgent  work was staged that is due now: the worker is to be woken after the commit
    answered   what of it is looked back at if it leaves late
    """

    answer: PressAnswer
    text: Text | None = None
    is_urgent: bool = False
    answered: Answered | None = None

    @property
    def card(self) -> IncidentCard | None:
        """The presser's new card, if the answer can carry one."""
        return self.answer.card


def kept(result: PressResult) -> dict[str, Any]:
    """An answer as the receipt keeps it. shown: the fingerprint of its card."""
    answer, shown = result.answer, {"shown": result.answered.fingerprint} if result.answered else {}
    said = {"text": answer.text, "is_refusal": answer.is_refusal} if answer.text else {}
    return said | shown | ({"card": answer.card.as_json} if answer.card else {})


def remembered(known: dict[str, Any]) -> PressAnswer:
    """The answer that was given before."""
    card = _card(dict(known["card"])) if known.get("card") else None
    return PressAnswer(card, known.get("text", ""), known.get("is_refusal", False))


def _card(stored: dict[str, Any]) -> IncidentCard:
    buttons = {name: tuple(CardButton(**button) for button in stored[name]) for name in ("buttons", "menu")}
    facts = tuple(Fact(**fact) for fact in stored["facts"])
    shown = tuple(Picture(**picture) for picture in stored.get("pictures", ()))
    return IncidentCard(**(stored | buttons | {"facts": facts, "body": tuple(stored["body"]), "pictures": shown}))
