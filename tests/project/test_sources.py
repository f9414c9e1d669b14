"""The key `build` of a manifest: what it may be, and where the component then is."""

from __future__ import annotations

from pathlib import Path

import pytest

from theater import manifest, sources
from theater.errors import ManifestError
from theater.spec import ActorSpec, Build


@pytest.mark.parametrize(
    ("source", "component"),
    [
        ("/p/hello.py", "/p/build/hello.wasm"),
        ("/p/my-actor.mjs", "/p/build/my-actor.wasm"),
        ("/p/hello.js", "/p/build/hello.wasm"),
        ("/p/shop/package.json", "/p/shop/build/shop.wasm"),
        ("/p/shop/Cargo.toml", "/p/shop/build/shop.wasm"),
        ("/p/shop", "/p/shop/build/shop.wasm"),
        ("/p/shop/", "/p/shop/build/shop.wasm"),
        ("/p/hello.wat", "/p/hello.wat"),
    ],
)
def test_a_component_is_built_beside_its_source(source: str, component: str) -> None:
    assert sources.component_of(source) == component


@pytest.mark.parametrize(
    ("value", "build"),
    [
        ("hello.py", Build("hello.py")),
        (".", Build(".")),
        ({"source": "a.py", "actor": "A"}, Build("a.py", actor="A")),
        ({"source": "a.js", "world": "minimal-actor"}, Build("a.js", world="minimal-actor")),
        ({"source": "a.py", "packages": ["x==1", "y"]}, Build("a.py", packages=("x==1", "y"))),
    ],
)
def test_a_build_is_a_source_or_a_table(value: object, build: Build) -> None:
    assert sources.read(value) == build


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "found 3; must be a .py, .js or .wat file"),
        ("", 'found ""; must be a .py'),
        ("https://x/a.py", "must be a .py"),
        ("src/lib.rs", 'found "src/lib.rs"; name its Cargo.toml'),
        ("a.ts", "have it compiled to JavaScript"),
        ("a.wasm", "nothing is to be built; write component instead of build"),
        ("pyproject.toml", "must be a .py"),
        ({}, "source is missing"),
        ({"source": 3}, "source: found 3"),
        ({"source": "a.py", "actr": "A"}, 'found the key "actr"; did you mean "actor"?'),
        ({"source": "a.js", "actor": "A"}, "actor is about a source in Python"),
        ({"source": "a.py", "packages": "x"}, "packages: found"),
        ({"source": "a.py", "packages": ["--index-url=x"]}, "must be the name of a package"),
        ({"source": "a.py", "packages": ["https://x/a.whl"]}, "must be the name of a package"),
    ],
)
def test_what_cannot_be_built_is_told(value: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        sources.read(value)
    assert message in str(caught.value)


def load(directory: Path, text: str) -> ActorSpec:
    path = directory / "theater.toml"
    path.write_text(f'name = "s"\n{text}')
    [actor] = manifest.load(path).root.actors()
    return actor


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(directory, text)
    return [str(problem) for problem in caught.value.problems]


def test_a_child_may_have_a_source_and_its_component_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    actor = load(tmp_path, '[[child]]\nname = "a"\nbuild = "a.py"')
    assert actor.component == f"{tmp_path}/build/a.wasm"
    assert actor.build == Build(f"{tmp_path}/a.py")
    actor = load(tmp_path, '[[child]]\nname = "a"\nbuild = "a.py"\ncomponent = "x.wasm"')
    assert actor.component == f"{tmp_path}/x.wasm"


def test_a_manifest_of_one_actor_may_have_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    assert load(tmp_path, 'build = "a.py"').component == f"{tmp_path}/build/a.wasm"


def test_wat_is_its_own_component(tmp_path: Path) -> None:
    (tmp_path / "a.wat").touch()
    assert load(tmp_path, '[[child]]\nname = "a"\nbuild = "a.wat"').component == f"{tmp_path}/a.wat"
    [found] = problems(tmp_path, '[[child]]\nname = "a"\nbuild = "a.wat"\ncomponent = "a.wat"')
    assert found.startswith("child[0].component: a .wat file is its own component")


def test_problems_of_a_source_are_told_where_it_is_written(tmp_path: Path) -> None:
    head = '[[child]]\nname = "a"\n'
    assert problems(tmp_path, f'{head}build = "a.py"') == [
        'child[0].build: "a.py": there is no such file or directory'
    ]
    assert problems(tmp_path, f"{head}build = 3")[0].startswith("child[0].build: found 3; must be")
    assert problems(tmp_path, f'{head}build = "x.py"\nsupervisor = {{}}')[0] == (
        "child[0]: has build and supervisor: a child is either an actor or a supervisor"
    )
    assert 'did you mean "build"' in problems(tmp_path, f'{head}source = "a.py"')[0]
