"""What came of a press, and what of it is kept so that a repeat of the same press gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from platforms.base import CardButton, Fact, IncidentCard, Picture, PressAnswer
from services import card_contents, incident_cards
from services.card_contents import Content
from services.late_answers import Answered
from texts import Text


@dataclass(frozen=True)
class PressResult:
    """What the platform is answered; text: what happened, also where the answer has no place for it.

    content    of the card that the answer carries, as long as that is not drawn
    is_urgent  work was staged that is due now: the worker is to be woken after the commit
    answered   what of it is looked back at if it leaves late
    """

    answer: PressAnswer
    content: Content | None = None
    text: Text | None = None
    is_urgent: bool = False
    answered: Answered | None = None

    @property
    def card(self) -> IncidentCard | None:
        """The presser's new card, if the answer can carry one."""
        return self.answer.card

    @property
    def notice(self) -> str:
        """As PressAnswer.notice, also while the card is not drawn."""
        return "" if self.content is not None else self.answer.notice


def drawn(result: PressResult) -> PressResult:
    """With the card; asks no database."""
    if result.content is None:
        return result
    given, card = result.answer, incident_cards.draw(result.content)
    answer = PressAnswer(card, given.text, given.is_refusal)
    return PressResult(answer, None, result.text, result.is_urgent, result.answered)


def kept(result: PressResult) -> dict[str, Any]:
    """An answer as the receipt keeps it. shown: the fingerprint of its card."""
    answer, shown = result.answer, {"shown": result.answered.fingerprint} if result.answered else {}
    said = {"text": answer.text, "is_refusal": answer.is_refusal} if answer.text else {}
    content = {"content": result.content.as_json} if result.content else {}
    return said | shown | content | ({"card": answer.card.as_json} if answer.card else {})


def remembered(known: dict[str, Any]) -> tuple[PressAnswer, Content | None]:
    """The answer that was given before, and the content of its card if that is still to be drawn."""
    card = _card(dict(known["card"])) if known.get("card") else None
    content = card_contents.from_json(known["content"]) if known.get("content") else None
    return PressAnswer(card, known.get("text", ""), known.get("is_refusal", False)), content


def _card(stored: dict[str, Any]) -> IncidentCard:
    buttons = {name: tuple(CardButton(**button) for button in stored[name]) for name in ("buttons", "menu")}
    facts = tuple(Fact(**fact) for fact in stored["facts"])
    shown = tuple(Picture(**picture) for picture in stored.get("pictures", ()))
    return IncidentCard(**(stored | buttons | {"facts": facts, "body": tuple(stored["body"]), "pictures": shown}))
