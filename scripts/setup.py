"""Create a virtual environment and install the pinned requirements; does nothing when they have not changed.

    python scripts/setup.py run        .venv with what the product runs on
    python scripts/setup.py dev        the same and what the tests and checks add
    python scripts/setup.py oracles    .venv-oracles with the vendors' own libraries

Uses uv when it is installed and venv with pip otherwise. Needs nothing but the standard library of Python 3.11.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# target -> (environment, requirement files)
TARGETS = {
    "run": (".venv", ["requirements.txt"]),
    "dev": (".venv", ["requirements.txt", "requirements-dev.txt"]),
    "oracles": (".venv-oracles", ["requirements-oracles.txt"]),
}
NO_VENV = """\
Python cannot create a virtual environment here. On Debian and Ubuntu:

    apt-get install python3-venv

and then the same command again."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in TARGETS:
        print(__doc__)
        return 2
    os.chdir(ROOT)
    environment, files = TARGETS[arguments[0]]
    with Path("scripts", "setup.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at once: the second finds everything done
        return prepare(Path(environment), files)


def prepare(environment: Path, files: list[str]) -> int:
    """Install what `files` list and is not there yet. Each file's digest is kept beside what it installed."""
    wanted = {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in files}
    python = environment / "bin" / "python"
    if not works(python) and not create(environment):
        print(NO_VENV, file=sys.stderr)
        return 1
    if all(read(stamp(environment, name)) == digest for name, digest in wanted.items()):
        return 0
    print(f"Installing {' and '.join(files)} into {environment} …", flush=True)
    requirements = [word for name in files for word in ("-r", name)]
    if subprocess.run([*installer(python), "--require-hashes", *requirements]).returncode:
        print("The requirements could not be installed; see the lines above.", file=sys.stderr)
        return 1
    for name, digest in wanted.items():
        stamp(environment, name).write_text(digest)
    return 0


def create(environment: Path) -> bool:
    print(f"Creating {environment} …", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    if uv := shutil.which("uv"):
        return subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment]).returncode == 0
    return subprocess.run([sys.executable, "-m", "venv", environment]).returncode == 0


def installer(python: Path) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def works(python: Path) -> bool:
    """Whether the environment's Python still runs; it does not after its base was removed or the folder moved."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def stamp(environment: Path, name: str) -> Path:
    return environment / f"installed-{name}.sha256"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
