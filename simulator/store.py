"""What the simulator remembers: state in memory behind one lock, saved to a JSON file a moment after each change."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

SAVE_DELAY_SECONDS = 0.5


def _fields(part: object) -> dict[str, Any]:
    """A dataclass as JSON sees it; what starts with an underscore is an index that load() builds again."""
    return {name: value for name, value in vars(part).items() if not name.startswith("_")}


def _frozen(section: object) -> dict[str, Any]:
    """A section's fields with each table copied, so that rows may come and go while it is written."""
    tables = {name: dict(value) for name, value in _fields(section).items() if isinstance(value, dict)}
    return _fields(section) | tables


class Section(Protocol):
    """A part of the state that knows how to read itself back from JSON."""

    def load(self, data: dict[str, Any]) -> None: ...


class Store:
    """The lock, the clock and the file. Sections are dataclasses, written through their public fields.

    path  the JSON file, or None for a state that is forgotten at exit.
    Every reader and writer of a section holds `lock`; nobody holds it during a network call.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.clock_offset = 0.0
        self._sections: dict[str, Section] = {}
        self._dirty = threading.Event()
        self._closed = threading.Event()
        self._saver: threading.Thread | None = None
        self._saving = threading.Lock()
        self._saved: dict[str, Any] = self._read()
        self.clock_offset = float(self._saved.get("clock_offset", 0.0))

    def now(self) -> float:
        """The simulator's time in seconds since 1970; `clock_offset` moves it."""
        return time.time() + self.clock_offset

    def register(self, name: str, section: Section) -> None:
        """Fill a section from the file and save it from now on under its name."""
        if name in self._saved:
            try:
                section.load(self._saved[name])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._put_aside(error)
        self._sections[name] = section

    def touch(self) -> None:
        """Note a change. The file follows within about half a second."""
        self._dirty.set()
        if self._saver is None and self.path is not None:
            self._start_saver()

    def save(self) -> None:
        """Write the file now, whole or not at all."""
        if self.path is None:
            return
        with self._saving:
            self._dirty.clear()
            text = self._text()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(self.path.suffix + ".new")
            draft.touch(mode=0o600)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.path)

    def close(self) -> None:
        """Stop the background writer and save what is left."""
        self._closed.set()
        self._dirty.set()
        if self._saver is not None:
            self._saver.join(timeout=10)
        self.save()

    def _text(self) -> str:
        """The state as JSON. Writing it out does not hold the lock: a big state would stop every caller meanwhile."""
        with self.lock:
            frozen: dict[str, Any] = {name: _frozen(section) for name, section in self._sections.items()}
            frozen["clock_offset"] = self.clock_offset
        try:
            return json.dumps(frozen, default=_fields, ensure_ascii=False)
        except RuntimeError:  # something grew while it was written
            with self.lock:
                return json.dumps(frozen, default=_fields, ensure_ascii=False)

    def _read(self) -> dict[str, Any]:
        if self.path is None or not self.path.exists():
            return {}
        try:
            saved: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            self._put_aside(error)
            return {}
        return saved

    def _put_aside(self, error: Exception) -> None:
        """Keep a file that cannot be read, as `.old`, and start with an empty state."""
        if self.path is not None and self.path.exists():
            old = self.path.with_suffix(self.path.suffix + ".old")
            self.path.replace(old)
            log.warning("state file does not fit this version (%r); kept as %s, starting empty", error, old)

    def _start_saver(self) -> None:
        with self.lock:
            if self._saver is None:
                self._saver = threading.Thread(target=self._save_when_dirty, name="simulator-saver", daemon=True)
                self._saver.start()

    def _save_when_dirty(self) -> None:
        """Save after changes; a big state is written less often, so that saving costs at most a tenth of the time."""
        pause = SAVE_DELAY_SECONDS
        while not self._closed.is_set():
            self._dirty.wait()
            if self._closed.wait(pause):
                return
            started = time.monotonic()
            try:
                self.save()
            except OSError as error:
                log.warning("state not saved: %s", error)
            pause = max(SAVE_DELAY_SECONDS, 10 * (time.monotonic() - started))
