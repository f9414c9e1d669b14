"""Files of more children for a system that runs: judged as a manifest is, with less in them."""

from pathlib import Path

import pytest

from theater.errors import ManifestError
from theater.manifest import load_fragment
from theater.manifest_check import DEPTH_MAX
from theater.spec import (
    ActorSpec,
    Handler,
    Limits,
    Restart,
    Strategy,
    SupervisorSpec,
    SystemSpec,
)
from theater.supervisor.prepare import open_artifacts, prepare_fragment

COMPONENTS = Path(__file__).parent / "components"
ACTOR = '[[child]]\nname = "a"\ncomponent = "a.wat"\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "a.wat").touch()
    return tmp_path


def write(directory: Path, text: str) -> Path:
    path = directory / "more.toml"
    path.write_text(text)
    return path


def problems(directory: Path, text: str, under: str = "") -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_fragment(write(directory, text), under, state_max_bytes=10)
    assert caught.value.file == str(directory / "more.toml")
    return [str(problem) for problem in caught.value.problems]


FULL = """
[defaults]
restart = "temporary"
limits = { fuel = 7 }

[[child]]
name = "a"
component = "a.wat"
handler = [{ type = "runtime" }]
initial_state = "0123456789"

[[child]]
name = "pool"
[child.supervisor]
strategy = "simple_one_for_one"
instances = 1
[[child.child]]
name = "w"
component = "a.wat"
restart = "permanent"
"""


@pytest.mark.parametrize(("under", "prefix"), [("", ""), ("shop", "shop/"), ("x/y-1", "x/y-1/")])
def test_children_are_read_for_the_supervisor_that_gets_them(
    directory: Path, under: str, prefix: str
) -> None:
    component = str(directory / "a.wat")
    limits = Limits(fuel=7)
    worker = ActorSpec(f"{prefix}pool/w", component, limits=limits, where="child[1].child[0]")
    instance = ActorSpec(f"{prefix}pool/w-1", component, limits=limits, where="child[1].child[0]")
    assert load_fragment(write(directory, FULL), under, state_max_bytes=10) == (
        ActorSpec(
            f"{prefix}a",
            component,
            restart=Restart.TEMPORARY,
            initial_state=b"0123456789",
            handlers=(Handler("runtime"),),
            limits=limits,
            where="child[0]",
        ),
        SupervisorSpec(
            f"{prefix}pool",
            strategy=Strategy.SIMPLE_ONE_FOR_ONE,
            children=(instance,),
            template=worker,
            where="child[1]",
        ),
    )


def test_whether_a_child_may_be_significant_is_left_to_the_running_supervisor(
    directory: Path,
) -> None:
    text = f'{ACTOR}restart = "transient"\nsignificant = true\n'
    [child] = load_fragment(write(directory, text), "shop")
    assert child.significant


def test_what_can_be_known_of_significant_children_is_checked(directory: Path) -> None:
    inner = '[[child]]\nname = "p"\n[[child.child]]\nname = "w"\ncomponent = "a.wat"\n'
    inner += 'restart = "transient"\nsignificant = true'
    [permanent, under_never] = problems(directory, f"{ACTOR}significant = true\n{inner}")
    assert permanent.startswith("child[0].significant: the end of a significant child shuts its")
    assert under_never.startswith(
        "child[1].child[0].significant: means nothing while child[1].supervisor.auto_shutdown is "
    )


NOTHING_ELSE = "unknown key; a fragment has [[child]] tables and [defaults], nothing else"
IN_MANIFEST = "unknown key; it belongs in the manifest of the system, not in a fragment"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "child: missing; a fragment describes the children to be added, each beginning with"),
        ("[defaults]", "child: missing; a fragment describes the children to be added, each begin"),
        ("child = []", "child: found an empty array; there has to be a [[child]] to add"),
        ("child = {}", "child: found an empty table; must be tables, each beginning with [[child"),
        ("children = 1", 'children: unknown key; did you mean "child"? allowed: child, defaults'),
        (f'name = "s"\n{ACTOR}', f"name: {NOTHING_ELSE}"),
        (f'package = "s"\n{ACTOR}', f"package: {NOTHING_ELSE}"),
        (f"supervisor = {{}}\n{ACTOR}", f"supervisor: {NOTHING_ELSE}"),
        (f"limits = {{}}\n{ACTOR}", f"limits: {NOTHING_ELSE}"),
        (f"durability = 1\n{ACTOR}", f"durability: {NOTHING_ELSE}"),
        (f"{ACTOR}durability = 1", f"child[0].durability: {IN_MANIFEST}"),
        (f"{ACTOR}intensity = 1", f"child[0].intensity: {IN_MANIFEST}"),
        (f"{ACTOR}state_max = 1", f"child[0].state_max: {IN_MANIFEST}"),
        (f"strategy = 1\n{ACTOR}", f"strategy: {IN_MANIFEST}"),
        (f"{ACTOR}memory = 1", "child[0].memory: unknown key; it belongs in [child.limits]"),
        (f"memory = 1\n{ACTOR}", "memory: unknown key; it belongs in [child.limits] or [defaults"),
        (f'{ACTOR}restart = "always"', 'child[0].restart: found "always"; allowed: permanent, '),
        (f"{ACTOR}{ACTOR}", 'child[1].name: "a" is already the name of child[0]'),
        (ACTOR.replace("a.wat", "b.wat"), 'child[0].component: "b.wat": there is no such file'),
        (f'{ACTOR}initial_state = "01234567890"', "child[0].initial_state: has 11 bytes; limits."),
        ("x = ", "TOML: line 1, the end: Invalid value"),
    ],
)
def test_what_is_wrong_with_a_fragment_is_told(directory: Path, text: str, expected: str) -> None:
    wrong = problems(directory, text)
    assert any(found.startswith(expected) for found in wrong), wrong


def test_all_problems_of_a_fragment_come_at_once(directory: Path) -> None:
    text = f'name = "s"\n{ACTOR}restrat = 1\n[[child]]\nname = "B"\n'
    places = [found.split(": ")[0] for found in problems(directory, text)]
    assert places == ["name", "child[0].restrat", "child[1].name", "child[1].component"]


def test_a_fragment_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.toml: there is no such file"):
        load_fragment(tmp_path / "nowhere.toml", "")


def test_the_length_of_an_address_includes_the_supervisors(directory: Path) -> None:
    load_fragment(write(directory, ACTOR), "x" * 253)
    [found] = problems(directory, ACTOR, "x" * 254)
    assert found.endswith("has 256 bytes; an address has at most 255")


def test_the_depth_of_supervisors_includes_those_above(directory: Path) -> None:
    text = '[[child]]\nname = "p"\nsupervisor = {}\n'
    load_fragment(write(directory, text), "/".join("x" * (DEPTH_MAX - 1)))
    [found] = problems(directory, text, "/".join("x" * DEPTH_MAX))
    assert found == f"child[0]...: supervisors nest deeper than {DEPTH_MAX}"


def test_a_fragment_cannot_be_for_what_is_no_address(directory: Path) -> None:
    [found] = problems(directory, ACTOR, "Shop")
    assert found.startswith('cannot be read for a supervisor: "Shop" is not an address; ')


def test_without_the_systems_limit_any_state_is_read(directory: Path) -> None:
    [child] = load_fragment(write(directory, f'{ACTOR}initial_state = "{"x" * 100}"'), "")
    assert isinstance(child, ActorSpec) and child.initial_state == b"x" * 100


def test_the_components_of_a_fragment_are_prepared_as_a_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    running = SystemSpec("s", SupervisorSpec(""))
    probe = COMPONENTS / "probe.wat"
    text = f"""
        [[child]]
        name = "pool"
        supervisor = {{ strategy = "simple_one_for_one" }}
        [[child.child]]
        name = "w"
        component = "{probe}"
    """
    path = write(tmp_path, text)
    with pytest.raises(ManifestError) as caught:
        prepare_fragment(path, "shop", running, str(tmp_path / "d"), lambda _: None)
    assert {problem.path for problem in caught.value.problems} == {"child[0].child[0]"}
    assert "which the manifest does not grant" in str(caught.value)

    handlers = 'handler = [{ type = "runtime" }, { type = "message-server" }]'
    path = write(tmp_path, text + handlers)
    prepared = prepare_fragment(path, "shop", running, str(tmp_path / "d"), lambda _: None)
    [pool] = prepared.children
    assert pool.path == "shop/pool"
    assert prepared.artifacts.keys() == {str(probe)}
    assert open_artifacts(prepared, None, lambda _: None).keys() == {str(probe)}
