"""python -m demo load | info | greeting"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from app import create_app
from config import ConfigError, Settings
from demo import info
from demo.load import load
from demo.record import NotADemo
from demo.simulated.control import SetupFailed


def main(arguments: list[str]) -> int:
    if arguments not in (["load"], ["info"], ["greeting"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        settings = Settings.from_env(running_environment())
        with create_app(settings).app_context():
            run(arguments[0], settings)
    except (ConfigError, NotADemo, SetupFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def run(command: str, settings: Settings) -> None:
    if command == "load":
        load(settings)
    elif command == "info":
        print(json.dumps(info.describe(settings), ensure_ascii=False, indent=2))
    else:
        print("\n".join(info.greeting(settings)))


def running_environment() -> dict[str, str]:
    """This environment, completed by what `make run` wrote down when it started the demo in the same folder."""
    home = Path(os.environ.get("DUTYBELL_HOME") or "var")
    kept = home / "running.json"
    return (json.loads(kept.read_text()) if kept.exists() else {}) | os.environ


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
