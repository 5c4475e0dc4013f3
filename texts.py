"""Text that a reader sees but that is written below the views.

Sentences are Chinese message ids; the catalogue in translations/ holds the other languages.
Whoever shows one translates it then (services/wording.py), so what is stored or raised here is read in the
reader's language.
"""

from __future__ import annotations

from typing import Any


def N_(message: str) -> str:
    """Mark a sentence for extraction and return it unchanged."""
    return message


class Text:
    """A sentence with its values, to be said later: Text(N_("%(name)s 已于 %(at)s 关闭"), name="王芳", at=when).

    Values may be strings, numbers, aware datetimes (said in the reader's zone), further Texts, or lists of these.
    """

    __slots__ = ("message", "params")

    def __init__(self, message: str, **params: Any) -> None:
        self.message = message
        self.params = params

    def __repr__(self) -> str:
        return f"Text({self.message!r}, {self.params!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.message, self.params) == (other.message, other.params)

    def __hash__(self) -> int:
        return hash(self.message)
