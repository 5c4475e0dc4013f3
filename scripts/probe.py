"""What a container's health check calls: exit with 0 if the process is well, else say why and exit with 1.

python scripts/probe.py http://127.0.0.1:8000/readyz   an address answers below 400
python scripts/probe.py /tmp/heartbeat                 a file was touched in the last 30 seconds (HEARTBEAT_FILE)
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ANSWER_SECONDS = 4
YOUNG_SECONDS = 30


def main(subject: str) -> int:
    problem = problem_of_address(subject) if subject.startswith("http://") else problem_of_file(Path(subject))
    print(problem or "ok")
    return 1 if problem else 0


def problem_of_address(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS):  # noqa: S310 (an address of our own)
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def problem_of_file(file: Path) -> str:
    try:
        age = time.time() - file.stat().st_mtime
    except OSError as error:
        return f"no heartbeat: {error.strerror}"
    return "" if age <= YOUNG_SECONDS else f"the last heartbeat was {age:.0f} s ago"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
