"""A new project has what it needs, under names that everybody in it can bear."""

from __future__ import annotations

import ast
import json
import keyword
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT
from theater.addresses import check_segment
from theater.project.names import names, suggestion
from theater.project.new import LANGUAGES, NotNew, create, wrong_with

CARGO_S = 120
STUB = Path(__file__).parent / "wit_bindgen"
ODD = ("hello", "shop-2.x", "2fast", "_", "json", "import", "none", "actor", "state", "my-actor")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def files(directory: Path) -> dict[str, str]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in paths}


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_template_s_own_names_is_left(here: Path, language: str) -> None:
    project = create("hello", language, "hello")
    found = files(here / "hello")
    assert set(found) == set(project.files)
    for path, text in found.items():
        for own in ("my-actor", "my_actor", "MyActor"):
            assert own not in path and own not in text, path
    manifest = tomllib.loads(found["theater.toml"])
    (child,) = manifest["child"]
    assert (manifest["name"], child["name"]) == ("hello", "hello")
    assert child["build"] in found, "what is to be built is there"
    commands = [line for line in found["README.md"].splitlines() if line.startswith("$ ")]
    assert len(commands) == 3 and any(line.startswith("$ theater run ") for line in commands)
    assert ".theater/" in found[".gitignore"]


def test_each_language_has_what_its_tool_needs(here: Path) -> None:
    for language in LANGUAGES:
        create("hello", language, language)
    wit = (ROOT / "theater" / "wit" / "theater-simple.wit").read_text()
    assert files(here / "rust")["wit/theater-simple.wit"] == wit
    assert json.loads(files(here / "js")["package.json"])["main"] == "hello.js"
    module = files(here / "python")["hello.py"]
    assert "class Hello(Actor)" in module


@pytest.mark.parametrize("name", ODD)
def test_names_that_mean_something_elsewhere_become_others(here: Path, name: str) -> None:
    assert wrong_with(name) is None
    called = names(name)
    assert called.module.isidentifier() and not keyword.iskeyword(called.module)
    assert called.module not in sys.stdlib_module_names
    assert called.kind.isidentifier() and not keyword.iskeyword(called.kind)
    found = files(Path(create(name, "python", "p").directory))
    tree = ast.parse(found[f"{called.module}.py"])
    kinds = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert kinds == ["State", called.kind]
    assert tomllib.loads(found["theater.toml"])["child"][0]["name"] == name


def test_a_name_that_no_actor_can_have_is_told_with_one_that_it_can() -> None:
    for wrong, right in (
        ("Hello World", "hello-world"),
        ("HelloWorld", "hello-world"),
        ("shop/clerk", "shop-clerk"),
        (".hidden", "hidden"),
        ("-x", "x"),
    ):
        said = wrong_with(wrong)
        assert said is not None and said.endswith(f'; "{right}" would be one')
        assert check_segment(right) is None
    for hopeless in ("", "...", "ü", "x" * 300):
        said = wrong_with(hopeless)
        assert said is not None and "would be one" not in said
    assert suggestion("Grüße") == "gr-e"


def test_a_directory_with_something_in_it_is_left_alone(here: Path) -> None:
    (here / "hello").mkdir()
    (here / "hello" / "thesis.txt").write_text("years of work")
    with pytest.raises(NotNew, match="is there already and is not empty"):
        create("hello", "python", "hello")
    assert files(here) == {"hello/thesis.txt": "years of work"}
    (here / "file").touch()
    with pytest.raises(NotNew, match="is no directory"):
        create("hello", "python", "file")
    (here / "nowhere").symlink_to("none")
    with pytest.raises(NotNew, match="is a link to nothing"):
        create("hello", "python", "nowhere")


def test_an_empty_directory_is_used_also_the_one_we_are_in(here: Path) -> None:
    (here / ".git").mkdir()
    create("hello", "wat", ".")
    assert (here / "hello.wat").exists()
    create("hello", "wat", "some/where/else")
    assert (here / "some/where/else/hello.wat").exists()


def test_what_cannot_be_written_whole_is_taken_back(here: Path) -> None:
    with pytest.raises(NotNew, match="File name too long"):
        create("x" * 252, "python", "some/where")  # test_xxx.py is too long, x.py is not
    assert list(here.iterdir()) == []
    (here / "empty").mkdir()
    with pytest.raises(NotNew):
        create("x" * 252, "python", "empty")
    assert list((here / "empty").iterdir()) == []


# In the language's own words


def test_the_python_test_passes_in_milliseconds_without_a_build(here: Path) -> None:
    create("json", "python", "p")  # a module of that name would hide Python's own
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=here / "p",
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'theater' / 'sdk'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not there")
def test_the_javascript_test_passes_before_anything_is_installed(here: Path) -> None:
    create("hello", "js", "hello")
    done = subprocess.run(["npm", "test"], cwd=here / "hello", capture_output=True, text=True)
    assert done.returncode == 0 and "# pass 1" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not there")
def test_the_rust_actor_is_what_the_bindings_ask_for(here: Path) -> None:
    """Against a stand-in for wit-bindgen; a real build is tested where there is a target for it."""
    create("hello", "rust", "hello")
    place = f"patch.crates-io.wit-bindgen.path={json.dumps(str(STUB))}"
    done = subprocess.run(
        ["cargo", "test", "--offline", "--config", place],
        cwd=here / "hello",
        env={**os.environ, "CARGO_TARGET_DIR": str(here / "target"), "RUSTFLAGS": "-Dwarnings"},
        capture_output=True,
        text=True,
        timeout=CARGO_S,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stderr
    if shutil.which("rustfmt"):
        source = here / "hello" / "src" / "lib.rs"
        subprocess.run(["rustfmt", "--check", "--edition", "2021", source], check=True)
