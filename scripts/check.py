"""Every check that needs no running program: style, types, templates, translations, vendored files, secrets.

python scripts/check.py            all of them; the exit status is 1 if any found something
python scripts/check.py mypy ruff  those whose name contains one of the words
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PRODUCT = [
    *("app.py", "arrival.py", "cli.py", "config.py", "crashpoints.py", "errors.py", "extensions.py", "ground.py"),
    *("group_commit.py", "gunicorn.conf.py", "huge_pages.py", "json_text.py", "logs.py", "metrics.py", "models.py"),
    *("postgresql_transactions.py", "postgresql_waits.py", "processors.py", "redis_pool.py", "schema.py"),
    *("slim_imports.py", "sqlite_transactions.py", "texts.py", "under_way.py", "visible_text.py"),
    *("web_extensions.py", "whole_numbers.py", "whole_requests.py", "worker.py", "write_queue.py"),
    *("blueprints", "services", "platforms", "sources", "jobs"),
]
PIP_CHECK = (
    ["uv", "pip", "check", "--quiet", "--python", str(BIN / "python")]
    if shutil.which("uv")
    else [str(BIN / "python"), "-m", "pip", "check"]
)


def checks() -> dict[str, list[str]]:
    """Name → command, quickest first."""
    python = str(BIN / "python")
    present = [name for name in PRODUCT if (ROOT / name).exists()]
    return {
        "ruff": [str(BIN / "ruff"), "check", "--quiet", "."],
        "ruff format": [str(BIN / "ruff"), "format", "--quiet", "--check", "."],
        "vendored files": [python, "scripts/vendor.py", "check"],
        "htmx in templates": [python, "scripts/check_templates.py"],
        "translations": [python, "scripts/translations.py", "check"],
        "djlint": [str(BIN / "djlint"), "--lint", "--quiet", "templates"],
        "bandit": [
            str(BIN / "bandit"),
            "--quiet",
            "--recursive",
            "--configfile",
            "pyproject.toml",
            "--severity-level",
            "medium",
            *present,
        ],
        "detect-secrets": [python, "scripts/check_secrets.py"],
        "hadolint": [str(BIN / "hadolint"), "Dockerfile"],
        "compose.yaml": [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        "pip check": PIP_CHECK,
        "mypy": [str(BIN / "mypy"), "."],
    }


def main(words: list[str]) -> int:
    failed = []
    for name, command in checks().items():
        if words and not any(word in name for word in words):
            continue
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nEverything passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
