"""Copy third-party front-end files into static/vendor/, and prove that they are the ones we copied.

    python scripts/vendor.py check     compare every file with static/vendor/MANIFEST.json; no network
    python scripts/vendor.py update    fetch the versions of scripts/frontend/package.json with npm and copy again

The product serves the copies, so it runs in a closed network and without Node. Only `update` needs npm.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "scripts" / "frontend"
TARGET = ROOT / "static" / "vendor"
MANIFEST = TARGET / "MANIFEST.json"
ICONS = ROOT / "templates" / "components" / "icons.html"

# package -> {file in the package, or in scripts/frontend/ when it starts with "./": file under static/vendor/}
FILES = {
    "htmx.org": {"dist/htmx.min.js": "htmx/htmx.min.js", "LICENSE": "htmx/LICENSE"},
    "@tabler/core": {"dist/css/tabler.min.css": "tabler/tabler.min.css", "./tabler-LICENSE": "tabler/LICENSE"},
    "@picocss/pico": {"css/pico.min.css": "pico/pico.min.css", "LICENSE.md": "pico/LICENSE"},
    "uplot": {
        "dist/uPlot.iife.min.js": "uplot/uplot.min.js",
        "dist/uPlot.min.css": "uplot/uplot.min.css",
        "LICENSE": "uplot/LICENSE",
    },
    "@tabler/icons": {"LICENSE": "icons/LICENSE"},
    "dingtalk-jsapi": {"./dingtalk-jsapi-LICENSE": "dingtalk/LICENSE"},
    "promise-polyfill": {"LICENSE": "dingtalk/promise-polyfill-LICENSE"},
}
# file under static/vendor/ -> package, and the file in scripts/frontend/ that names the parts of it which we use:
# what a package does not offer as one file for browsers, esbuild makes of it (same version, same bytes)
BUNDLES = {"dingtalk/jsapi.min.js": ("dingtalk-jsapi", "dingtalk-jsapi.js")}
SOURCE_MAP = re.compile(rb"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$")
BLANK_PATH = '<path stroke="none" d="M0 0h24v24H0z" fill="none"/>'

ICON_TEMPLATE = """\
{{# Written by scripts/vendor.py from scripts/frontend/icons.txt. Tabler Icons, MIT: static/vendor/icons/LICENSE. #}}
{{% set outline = {outline} %}}
{{% set filled = {filled} %}}

{{# One icon in the colour of the text around it. It is decoration unless `label` gives it words of its own. #}}
{{% macro icon(name, label="", class="") -%}}
<svg class="icon {{{{ class }}}}" viewBox="0 0 24 24" width="20" height="20" \
{{% if name in filled %}}fill="currentColor"{{% else %}}fill="none" stroke="currentColor" stroke-width="2" \
stroke-linecap="round" stroke-linejoin="round"{{% endif %}} \
{{% if label %}}role="img" aria-label="{{{{ label }}}}"{{% else %}}aria-hidden="true"{{% endif %}} focusable="false">\
{{{{ (filled[name] if name in filled else outline[name]) | safe }}}}</svg>
{{%- endmacro %}}
"""


def main(arguments: list[str]) -> int:
    if arguments == ["check"]:
        problems = check()
        print("\n".join(problems) or "static/vendor: every file is as recorded.")
        return 1 if problems else 0
    if arguments == ["update"]:
        update()
        print(f"static/vendor: wrote {len(json.loads(MANIFEST.read_text())['files'])} files.")
        return 0
    print(__doc__)
    return 2


def check() -> list[str]:
    """Say what differs from the manifest, one line a file; an empty list means nothing does."""
    recorded = json.loads(MANIFEST.read_text())
    problems = []
    for name, entry in recorded["files"].items():
        path = ROOT / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif digest(path) != entry["sha256"]:
            problems.append(f"{name}: differs from the manifest")
    present = {path.relative_to(ROOT).as_posix() for path in TARGET.rglob("*") if path.is_file() and path != MANIFEST}
    problems += [f"{name}: not in the manifest" for name in sorted(present - recorded["files"].keys())]
    wanted = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    copied = {name: package["version"] for name, package in recorded["packages"].items()}
    if wanted != copied:
        problems.append("scripts/frontend/package.json names other versions: run `python scripts/vendor.py update`")
    if '"resolved"' in (SOURCE / "package-lock.json").read_text():
        problems.append("scripts/frontend/package-lock.json: names a registry; run update again")
    return problems


def update() -> None:
    with tempfile.TemporaryDirectory() as folder:
        modules = install(Path(folder))
        shutil.rmtree(TARGET, ignore_errors=True)
        files = {}
        for package, names in FILES.items():
            for source, target in names.items():
                origin = SOURCE / source if source.startswith("./") else modules / package / source
                path = TARGET / target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(SOURCE_MAP.sub(b"\n", origin.read_bytes()))
                files[path] = package
        for target, (package, entry) in BUNDLES.items():
            bundle(Path(folder), entry, TARGET / target)
            files[TARGET / target] = package
        ICONS.write_text(draw_icons(modules / "@tabler" / "icons" / "icons"))
        files[ICONS] = "@tabler/icons"
        write_manifest(modules, files)


def install(folder: Path) -> Path:
    """Install the locked packages in a folder of their own; npm checks each against the lock's hash.

    The lock keeps hashes and leaves out where a package came from, so any registry or mirror will do.
    """
    for name in ("package.json", "package-lock.json"):
        if (SOURCE / name).exists():
            shutil.copy(SOURCE / name, folder / name)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
    subprocess.run(["npm", "install", *options], cwd=folder, check=True)
    shutil.copy(folder / "package-lock.json", SOURCE / "package-lock.json")
    return folder / "node_modules"


def bundle(folder: Path, entry: str, path: Path) -> None:
    """Join an entry file and what it imports into one script for browsers."""
    shutil.copy(SOURCE / entry, folder / entry)
    options = ["--bundle", "--minify", "--format=iife", "--target=es2017", "--legal-comments=none"]
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["node_modules/.bin/esbuild", entry, *options, f"--outfile={path}"], cwd=folder, check=True)


def draw_icons(folder: Path) -> str:
    """Turn the chosen SVG files into one macro file; only the shapes inside <svg> are kept."""
    outline: dict[str, str] = {}
    filled: dict[str, str] = {}
    for line in (SOURCE / "icons.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        kind, _, name = line.rpartition("/")
        svg = (folder / (kind or "outline") / f"{name}.svg").read_text()
        inner = re.sub(r"\s+", " ", svg[svg.index(">") + 1 : svg.rindex("</svg>")]).replace(" />", "/>")
        shapes = inner.replace(BLANK_PATH, "").replace("> <", "><").strip()
        if kind:
            filled[f"{name}-filled"] = shapes
        else:
            outline[name] = shapes
    return ICON_TEMPLATE.format(outline=as_jinja(outline), filled=as_jinja(filled))


def as_jinja(shapes: dict[str, str]) -> str:
    lines = [f"  {json.dumps(name)}: '{shape}'" for name, shape in sorted(shapes.items())]
    return "{\n" + ",\n".join(lines) + "\n}"


def write_manifest(modules: Path, files: dict[Path, str]) -> None:
    packages = {}
    for package in sorted(FILES):
        about = json.loads((modules / package / "package.json").read_text())
        packages[package] = {"version": about["version"], "license": about["license"]}
    entries = {
        path.relative_to(ROOT).as_posix(): {"package": package, "sha256": digest(path), "bytes": path.stat().st_size}
        for path, package in sorted(files.items())
    }
    MANIFEST.write_text(json.dumps({"packages": packages, "files": entries}, indent=2) + "\n")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
