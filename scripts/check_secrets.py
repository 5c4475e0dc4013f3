"""Look for secrets in the files git knows, and fail on any that scripts/secrets.baseline does not list.

    python scripts/check_secrets.py            check
    python scripts/check_secrets.py --update   write the baseline again, after a look at each new line

The baseline knows a finding by file and digest, not by line, so that moving code changes nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "scripts" / "secrets.baseline"
# Hashes of packages and files, minified code, made-up passwords and the platforms' published vectors.
LEFT_OUT = (
    r"^(requirements.*\.txt|static/vendor/.*|scripts/frontend/.*|scripts/secrets.baseline"
    r"|translations/.*|tests/.*|migrations/.*)$"
)


def main(arguments: list[str]) -> int:
    found = scan()
    if arguments == ["--update"]:
        BASELINE.write_text(json.dumps(sorted(found), indent=1) + "\n")
        return 0
    known = {(file, kind, digest) for file, kind, digest in json.loads(BASELINE.read_text())}
    new = {finding: lines for finding, lines in found.items() if finding not in known}
    for (file, kind, _), line in sorted(new.items()):
        print(f"{file}:{line}: {kind}")
    if new:
        print("If these are no secrets: python scripts/check_secrets.py --update")
    return 1 if new else 0


def scan() -> dict[tuple[str, str, str], int]:
    """(file, kind, digest) → line, of everything that looks like a secret."""
    command = [str(Path(sys.executable).with_name("detect-secrets")), "scan", "--exclude-files", LEFT_OUT]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    results: dict[str, list[dict[str, Any]]] = json.loads(output)["results"]
    return {
        (file, finding["type"], finding["hashed_secret"]): finding["line_number"]
        for file, findings in results.items()
        for finding in findings
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
