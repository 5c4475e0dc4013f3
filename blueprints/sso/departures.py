"""What a session remembers between going to an identity provider and coming back."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from flask import redirect, request, session
from flask.typing import ResponseReturnValue

from models import SsoProvider
from services import linking, single_sign_on
from services.integrations import origin_of

KEY = "sso_departures"
REMEMBERED = 3
"""Pages opened side by side; older ones are forgotten."""


@dataclass(frozen=True)
class Left:
    """Somebody who went to a provider. at: Unix seconds; binds: the application whose page they are to be linked on."""

    tenant_id: int
    nonce: str
    verifier: str
    redirect_uri: str
    next_path: str
    at: float
    binds: tuple[str, str] | None = None

    @property
    def left_at(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def send_off(provider: SsoProvider, next_path: str, *, binds: tuple[str, str] | None = None) -> ResponseReturnValue:
    """Send the reader to the provider; what proves that they come back from there stays in their session."""
    tenant_id = provider.tenant_id
    known = [uri.removesuffix(single_sign_on.CALLBACK) for uri in single_sign_on.redirect_uris(tenant_id)]
    here = origin_of(request.host_url)
    departure = single_sign_on.depart(provider, base=here if here in known else known[0])
    proof = {name: getattr(departure, name) for name in ("nonce", "verifier", "redirect_uri")}
    left = Left(tenant_id, next_path=next_path, at=time.time(), binds=binds, **proof)
    others: dict[str, Any] = session.get(KEY, {})
    session[KEY] = dict(list(others.items())[-(REMEMBERED - 1) :]) | {departure.state: asdict(left)}
    return redirect(departure.url)


def take(state: str) -> Left:
    """What this session left with; spent. Raises SignInExpired otherwise: a stranger's link must sign nobody in."""
    others: dict[str, Any] = dict(session.get(KEY, {}))
    found = others.pop(state, None)
    session[KEY] = others
    if found is None:
        raise linking.SignInExpired("not opened by this session")
    binds = found.pop("binds")
    return Left(**found, binds=tuple(binds) if binds else None)
