"""`theater audit`: what it prints of a run, and that the manifest it prints is enough for it."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from tests.cli.conftest import COMPONENTS, Home
from theater.quoting import toml

TREE: dict[str, Any] = {
    "child": [
        {"name": "probe", "component": "probe.wat", "send_to": ["**"]},
        {
            "name": "shop",
            "child": [
                {"name": "one", "component": "probe.wat", "send_to": ["**"]},
                {"name": "two", "component": "counter.wat"},
            ],
        },
    ]
}


def tables(children: list[dict[str, Any]], least: list[dict[str, Any]] | None) -> list[str]:
    """The children as inline tables, with all grants or with those of `least`."""
    found = []
    for child in children:
        same = next((each for each in least or [] if each["name"] == child["name"]), {})
        table: dict[str, Any] = {"name": child["name"]}
        if "child" in child:
            below = None if least is None else same["child"]
            inner = ", ".join(tables(child["child"], below))
            found.append(f"{{ name = {toml(child['name'])}, child = [{inner}] }}")
            continue
        table["component"] = str(COMPONENTS / child["component"])
        messages: dict[str, Any] = {"type": "message-server"}
        if "send_to" in child:
            messages["send_to"] = child["send_to"]
        everything = [{"type": "runtime"}, messages]
        table["handler"] = everything if least is None else same.get("handler", [])
        found.append(toml(table))
    return found


def manifest(least: list[dict[str, Any]] | None) -> str:
    return f"child = [{', '.join(tables(TREE['child'], least))}]\n"


def run(home: Home) -> None:
    home.ask("probe", "log hello\nsend shop/one log hi", "request shop/two get", "get")
    home.ask("shop/one", "self")


def audited(home: Home, *arguments: str) -> dict[str, Any]:
    found = json.loads(home.out("audit", "--json", *arguments))
    return {each["actor"]: each for each in found}


def handlers(account: dict[str, Any]) -> dict[str, Any]:
    return {each["type"]: each for each in account["handlers"]}


def test_the_manifest_that_it_prints_is_enough_for_what_was_done(home: Home) -> None:
    home.write(head=manifest(None))
    home.out("up", "-d")
    run(home)
    first = audited(home)
    probe = handlers(first["probe"])
    assert probe["message-server"]["calls"] == {"send": 1, "request": 1}
    assert probe["message-server"]["used"]["no_neighbours"] == ["shop/one", "shop/two"]
    assert probe["message-server"]["imported"] is True
    assert probe["runtime"]["calls"]["log"] >= 1
    most = first["probe"]["most"]
    assert 0 < most["fuel"]["most"] < first["probe"]["limits"]["fuel"]
    assert most["message_bytes_received"] == len("log hello\nsend shop/one log hi")
    home.out("down")

    printed = home.out("audit", "--toml")
    assert printed.startswith("# The least that would have done for ")
    least = tomllib.loads(printed)["child"]
    home.write(head=manifest(least))
    assert '"**"' not in (home.directory / "theater.toml").read_text()
    home.out("up", "-d", "--fresh")
    run(home)
    second = audited(home)
    home.out("down")
    for name, account in first.items():
        again = handlers(second[name])
        assert account["failed"] == second[name]["failed"] == 0
        for type_, each in handlers(account).items():
            if each["least"] is None:
                assert type_ not in again
                continue
            assert again[type_]["granted"] == each["least"] == again[type_]["least"]
            assert again[type_]["calls"] == each["calls"] and not again[type_]["refused"]

    # It reads a run in a file too, and of it what is asked for.
    home.out("record", "-o", "run.theater")
    assert audited(home, "--data", "run.theater", "shop").keys() == {"shop/one", "shop/two"}
    text = home.run("audit", "--data", "run.theater", "probe")
    lines = text.stdout.decode().splitlines()
    assert lines[0].startswith("probe  ") and all(len(line) <= 80 for line in lines)
    assert b"A run shows only what happened in it" in text.stderr
    assert any("to shop/one 1, shop/two 1" in line for line in lines)


def test_two_ways_to_say_it_are_one_too_many(home: Home) -> None:
    home.write(head="child = []")
    assert "give one of them" in home.fails(2, "audit", "--json", "--toml")
    assert "nothing has run here yet" in home.fails(4, "audit")
