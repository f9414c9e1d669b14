"""The documentation: its links lead somewhere, the code that it shows is the code, the site is
built."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from docs import reference
from theater import capabilities
from theater.project.names import names
from theater.project.new import rendered

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@cache
def made() -> dict[str, str]:
    return reference.pages()


def anchors(text: str) -> set[str]:
    """What the headings of a page can be linked to by."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in LINK.findall(FENCE.sub("", text)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file.read_text()), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_place_of_this_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.$~/])/(home|root|Users|work)/", page.read_text())


@pytest.mark.parametrize(
    ("page", "language", "whole"),
    [
        ("javascript.md", "js", ("hello.js", "test/hello.test.js", "theater.toml")),
        ("rust.md", "rust", ("src/lib.rs", "test_hello.py", "theater.toml")),
        ("wat.md", "wat", ("test_hello.py", "theater.toml")),
    ],
)
def test_a_page_shows_the_project_that_new_makes(
    page: str, language: str, whole: tuple[str, ...]
) -> None:
    files = {str(path): text for path, text in rendered(language, names("hello"))}
    blocks = [text for _, text in FENCE.findall((DOCS / page).read_text())]
    for name in whole:
        assert f"{files[name].rstrip()}\n" in blocks, f"{page} shows another {name}"
    if language == "wat":
        parts = [text for kind, text in FENCE.findall((DOCS / page).read_text()) if kind == "wat"]
        assert len(parts) == 2 and all(part in files["hello.wat"] + "\n" for part in parts)


def test_the_reference_has_every_command_with_every_option() -> None:
    import typer.main

    from theater.cli.app import application

    text = made()["reference/commands.md"]
    root: Any = typer.main.get_command(application())
    assert len(root.commands) > 30
    for name, command in root.commands.items():
        for inner, each in getattr(command, "commands", {"": command}).items():
            [section] = re.findall(
                rf"^##+ theater {name}{' ' * bool(inner)}{inner}$(.*?)(?=^##|\Z)", text, re.S | re.M
            )
            for parameter in each.params:
                if parameter.param_type_name == "option":
                    assert all(f"`{option}`" in section for option in parameter.opts), name


def test_the_reference_has_every_key_and_every_handler() -> None:
    text = made()["reference/manifest.md"]
    for heading, model, elsewhere in reference.TABLES:
        section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        assert section, heading
        for key in model.model_fields.keys() - elsewhere:
            assert f"| `{key}`" in section, f"{heading}: {key}"
    handlers = made()["reference/handlers.md"]
    for name, handler in capabilities.HANDLERS.items():
        section = handlers.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{key}`" in section for key in handler.settings), name
        for functions in (*handler.imports.values(), *handler.exports.values()):
            assert all(f"\n{function}: " in section for function in functions)
    assert "package theater:simple;" in made()["reference/wit.md"]


def test_every_value_and_default_of_the_reference_can_be_read() -> None:
    rows = [
        re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))
        for path in ("reference/manifest.md", "reference/handlers.md")
        for line in made()[path].splitlines()
        if line.startswith("| `") and line.count(" | ") == 3
    ]
    assert len(rows) > 60
    for key, value, default, text in rows:
        assert value and "None" not in value, key
        assert text.endswith("."), key
        if default.strip():
            tomllib.loads(f"x = {default.strip().strip('`')}")


def test_tables_of_the_reference_have_as_many_cells_as_their_heads() -> None:
    for path, text in made().items():
        for block in re.findall(r"(?:^\|.*\n?)+", FENCE.sub("", text), re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(counts) == 1, f"{path}: {block}"


def test_the_site_is_built_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not there, which builds the site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    pages = {str(page.relative_to(tmp_path)): page for page in tmp_path.rglob("*.html")}
    assert {"index.html", "tutorial.html", "reference/manifest.html"} <= pages.keys()
    listed = pages["index.html"].read_text()
    for page in DOCS.rglob("*.md"):
        path = str(page.relative_to(DOCS).with_suffix(".html"))
        links = listed.count(f'<a href="{path}" class="md-nav__link">')
        assert path == "index.html" or links == 1, f"{path} is {links} times in the navigation"
    for name, page in pages.items():
        text = page.read_text()
        sources = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]+)"', text)
        assert not [each for each in sources if re.match(r"(https?:)?//", html.unescape(each))], (
            name
        )
    assert not list(tmp_path.rglob("*.py")), "what makes the pages is no page"
