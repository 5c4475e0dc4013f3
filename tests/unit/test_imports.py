"""Imports point down, read from the sources themselves: what is above knows what is below, never the other way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"demo"}),
    frozenset({"app", "cli", "worker"}),
    frozenset({"ground"}),
    frozenset({"blueprints", "jobs"}),
    frozenset({"services", "metrics"}),
    frozenset({"platforms", "sources", "models"}),
    frozenset({"schema", "web_extensions", "sqlite_transactions", "postgresql_transactions"}),
    frozenset({"postgresql_waits"}),
    frozenset({"extensions", "logs", "crashpoints", "write_queue", "whole_requests"}),
    frozenset(
        {
            *("errors", "config", "texts", "slim_imports", "json_text", "redis_pool", "visible_text", "whole_numbers"),
            *("arrival", "group_commit", "huge_pages", "processors", "under_way"),
        }
    ),
)
"""From the top down. A module may import its own layer and those below it."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
NO_FLASK = frozenset({"platforms", "sources", "errors", "config", "texts", "crashpoints"})
FRAMEWORKS = frozenset(
    {"flask", "sqlalchemy", "flask_sqlalchemy", "flask_babel", "flask_login", "flask_wtf", "extensions"}
)
WORDS = frozenset({"Severity"})
ALLOWED_UPWARD = frozenset({("app", "demo")})


def modules(package: str) -> Iterator[Path]:
    folder = ROOT / package
    if folder.is_dir():
        yield from sorted(folder.rglob("*.py"))
    elif folder.with_suffix(".py").exists():
        yield folder.with_suffix(".py")


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """First names of what a module imports, also inside functions, with the lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno


def found(package: str, forbidden: frozenset[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(package)
        for name, line in imported(path)
        if name in forbidden
    ]


def test_every_module_has_its_layer() -> None:
    """But for gunicorn's settings, which nobody can import."""
    assert {path.stem for path in ROOT.glob("*.py") if path.stem.isidentifier()} <= set(LEVEL)


@pytest.mark.parametrize("package", sorted(LEVEL))
def test_imports_point_down(package: str) -> None:
    above = frozenset(
        name for name, level in LEVEL.items() if level < LEVEL[package] and (package, name) not in ALLOWED_UPWARD
    )
    assert found(package, above) == []


@pytest.mark.parametrize("package", sorted(NO_FLASK))
def test_what_is_handed_everything_knows_no_framework(package: str) -> None:
    """Of the tables' module they may know the words, no table."""
    tables = [
        f"{path.relative_to(ROOT)}: {alias.name}"
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "models"
        for alias in node.names
        if alias.name not in WORDS
    ]
    assert tables + found(package, FRAMEWORKS) == []


def test_services_know_no_request() -> None:
    forbidden = {"request", "session", "redirect", "render_template", "url_for", "flash"}
    guilty = []
    for path in modules("services"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "flask":
                guilty += [f"{path.name}: {alias.name}" for alias in node.names if alias.name in forbidden]
    assert guilty == []


def test_platforms_do_not_know_each_other() -> None:
    folders = [path.name for path in (ROOT / "platforms").iterdir() if path.is_dir() and path.name != "__pycache__"]
    guilty = []
    for folder in folders:
        for path in modules(f"platforms/{folder}"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("platforms."):
                    other = node.module.split(".")[1]
                    if other in folders and other != folder:
                        guilty.append(f"{path.relative_to(ROOT)}: {node.module}")
    assert guilty == []


def test_the_product_knows_no_simulator() -> None:
    product = [*LEVEL, "scripts"]
    assert [line for package in product for line in found(package, frozenset({"simulator"}))] == []


def test_the_simulator_knows_nothing_of_the_product() -> None:
    own = frozenset(LEVEL) | {"tests", "scripts"}
    assert found("simulator", own) == []


def test_only_the_platforms_know_their_names() -> None:
    """No `if platform == "wecom"` above: differences are data."""
    guilty = []
    for package in ("services", "jobs", "blueprints", "models", "app", "cli"):
        for path in modules(package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Compare):
                    values = [node.left, *node.comparators]
                    if any(
                        isinstance(value, ast.Constant) and value.value in {"wecom", "dingtalk", "feishu"}
                        for value in values
                    ):
                        guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert guilty == []


def test_secrets_are_made_of_real_chance() -> None:
    """`random` foretells; only retries may use it, to spread their times."""
    guilty = [
        line
        for package in ("services", "blueprints", "platforms", "app", "cli", "config")
        for line in found(package, frozenset({"random"}))
        if "retries.py" not in line
    ]
    assert guilty == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "misc", "manager"])
def test_no_module_is_called_after_nothing(name: str) -> None:
    packages = ("services", "blueprints", "platforms", "jobs", "sources", "simulator", "tests")
    assert [path for package in packages for path in modules(package) if path.stem == name] == []
