"""The catalogue of sentences: Chinese in the sources, English in translations/en.

python scripts/translations.py extract   collect the sentences of the sources into translations/messages.pot
python scripts/translations.py update    extract, and bring translations/en/LC_MESSAGES/messages.po up to date
python scripts/translations.py compile   write the .mo files that the product reads, where they are older
python scripts/translations.py check     fail if a sentence is missing, doubtful, or lost one of its places
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "translations" / "messages.pot"
DOMAIN = "messages.po"
KEYWORDS = DEFAULT_KEYWORDS | {"N_": None, "_l": None, "_p": ((1, "c"), 2), "lazy_gettext": None, "Text": None}
PLACES = re.compile(r"%\((\w+)\)[#0 +-]*\d*(?:\.\d+)?[sdfr]")
LANGUAGES = ("en",)


def main(arguments: list[str]) -> int:
    commands = {"extract": extract, "update": update, "compile": compile_all, "check": check}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__)
        return 2
    problems = commands[arguments[0]]()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def extract() -> list[str]:
    _write(TEMPLATE, collected())
    return []


def update() -> list[str]:
    """Sentences that are new stay untranslated, those that are gone go; nothing is guessed."""
    template = collected()
    for path in catalogues():
        catalogue = _read(path)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        _write(path, catalogue)
        missing = sum(1 for message in catalogue if message.id and not _is_translated(message))
        print(f"{path.relative_to(ROOT)}: {len(catalogue)} sentences, {missing} without translation")
    return compile_all()


def compile_all() -> list[str]:
    """Write each catalogue's .mo at once or not at all: several programs may start at the same moment."""
    for path in catalogues():
        compiled = path.with_suffix(".mo")
        if not path.exists() or (compiled.exists() and compiled.stat().st_mtime >= path.stat().st_mtime):
            continue
        draft = compiled.with_suffix(f".{os.getpid()}.tmp")
        with draft.open("wb") as file:
            write_mo(file, _read(path))
        draft.replace(compiled)
    return []


def check() -> list[str]:
    """Everything that is wrong with the catalogues, one line each."""
    template, problems = collected(), []
    for path in catalogues():
        catalogue = _read(path)
        problems += [f"{path.parent.parent.name}: {problem}" for problem in _differences(template, catalogue)]
    return problems


def catalogues() -> list[Path]:
    return [ROOT / "translations" / language / "LC_MESSAGES" / DOMAIN for language in LANGUAGES]


def collected() -> Catalog:
    """Every sentence of the sources, with where it stands."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    catalogue = Catalog(project="dutybell", charset="utf-8", fuzzy=False)
    found = extract_from_dir(ROOT, methods, options, keywords=KEYWORDS, comment_tags=())
    for filename, _line, message, _comments, context in found:
        catalogue.add(message, locations=[(Path(filename).as_posix(), None)], context=context)  # type: ignore[list-item]
    return catalogue


def _differences(template: Catalog, catalogue: Catalog) -> list[str]:
    problems = []
    for message in template:
        if not message.id:
            continue
        translated = catalogue.get(_key(message), message.context)
        if translated is None or not _is_translated(translated):
            problems.append(f"missing: {_key(message)!r} {_where(message)}")
        elif translated.fuzzy:
            problems.append(f"doubtful (fuzzy): {_key(message)!r}")
        elif _places(message.id) != _places(translated.string):
            problems.append(f"other places: {_key(message)!r} -> {translated.string!r}")
    known = {(_key(message), message.context) for message in template}
    problems += [
        f"no longer used: {_key(message)!r}"
        for message in catalogue
        if message.id and (_key(message), message.context) not in known
    ]
    return problems


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _where(message: Message) -> str:
    return f"({message.locations[0][0]})" if message.locations else ""


def _is_translated(message: Message) -> bool:
    said = message.string if isinstance(message.string, (list, tuple)) else [message.string]
    return bool(said) and all(said)


def _places(said: object) -> set[str]:
    """The named places of a sentence, over all its plural forms."""
    forms = said if isinstance(said, (list, tuple)) else [said]
    return {place for form in forms for place in PLACES.findall(str(form or ""))}


def _read(path: Path) -> Catalog:
    language = path.parent.parent.name
    if not path.exists():
        return Catalog(locale=language, domain="messages", project="dutybell", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="messages")


def _write(path: Path, catalogue: Catalog) -> None:
    """Write a catalogue whose header says nothing that changes from day to day."""
    catalogue.header_comment = "# Sentences of Dutybell; `make translations` adds new ones and compiles them."
    catalogue.project, catalogue.version = "dutybell", "1"
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "-"
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(
            file, catalogue, width=110, omit_header=False, sort_output=True, ignore_obsolete=True, no_location=False
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
