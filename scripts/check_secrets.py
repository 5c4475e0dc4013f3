"""Look for secrets in the files git knows, and fail on any that scripts/secrets.baseline does not list.

python scripts/check_secrets.py            check
python scripts/check_secrets.py --update   write the baseline again, after a look at each new line
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
BASELINE = "scripts/secrets.baseline"
# Hashes of packages and files, minified code, payloads and vectors that the platforms' documents publish.
LEFT_OUT = r"^(requirements.*\.txt|(static/vendor|scripts/frontend|translations|tests/fixtures|migrations)/.*)$"


def main(arguments: list[str]) -> int:
    if arguments == ["--update"]:
        command = [str(BIN / "detect-secrets"), "scan", "--exclude-files", LEFT_OUT]
        baseline = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        (ROOT / BASELINE).write_text(baseline)
        return 0
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    hook = [str(BIN / "detect-secrets-hook"), "--baseline", BASELINE, "--exclude-files", LEFT_OUT, *names]
    return subprocess.run(hook, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
