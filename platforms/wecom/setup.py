"""The setup wizard of a WeCom application, as data."""

from __future__ import annotations

from platforms.base import SetupMode
from texts import N_

SELF_BUILT = SetupMode("self_built", N_("企业自建应用"), (), ())
