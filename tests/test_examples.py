"""The market of examples/market: each actor alone, and the whole of it by hand.

The clerk runs here as the plain Python module it is made from; as a component it is built and run
with everything else in tests/real.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wasmtime

from tests.components.drive import Actor
from theater import manifest

MARKET = Path(__file__).parent.parent / "examples" / "market"


@dataclass(frozen=True)
class Err(Exception):
    """What the bindings raise for an Err of a host function."""

    value: str


@dataclass
class Outbox:
    """Stands in for `message_server_host`."""

    sent: list[tuple[str, bytes]]
    prices: Actor

    def send(self, to: str, message: bytes) -> None:
        self.sent.append((to, message))

    def request(self, to: str, message: bytes) -> bytes:
        assert to == "shop/prices"
        try:
            answer = self.prices.ask(message)
        except wasmtime.WasmtimeError:
            crashed, self.prices = self.prices, Actor(MARKET / "prices.wat")
            self.prices.state = crashed.state  # the next incarnation has the last committed state
            raise Err("failed: trap") from None
        assert isinstance(answer, bytes)
        return answer


@pytest.fixture
def outbox() -> Outbox:
    prices = Actor(MARKET / "prices.wat")
    prices.init(b"apple 3 bread 4 cheese 7 tea 2")
    return Outbox([], prices)


@pytest.fixture
def clerk(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module clerk/app.py, with the bindings it would have as a component."""
    types = ModuleType("componentize_py_types")
    types.Err = Err  # type: ignore[attr-defined]
    imports = ModuleType("wit_world.imports")
    imports.message_server_host = outbox  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "componentize_py_types", types)
    monkeypatch.setitem(sys.modules, "wit_world", ModuleType("wit_world"))
    monkeypatch.setitem(sys.modules, "wit_world.imports", imports)
    spec = importlib.util.spec_from_file_location("market_clerk", MARKET / "clerk" / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "market_clerk", module)
    spec.loader.exec_module(module)
    return module


def test_prices_answers_from_its_list_and_learns() -> None:
    prices = Actor(MARKET / "prices.wat")
    assert prices.init(b"apple 3 bread 4 tea 2") is None
    assert prices.host.logged == ["the prices are: apple 3 bread 4 tea 2"]
    assert [prices.ask(item) for item in (b"apple", b"bread", b"tea")] == [b"3", b"4", b"2"]
    prices.send(b"unicorn 90")
    prices.send(b"apple 5")
    assert prices.host.logged[1:] == ["new price: unicorn 90", "new price: apple 5"]
    assert [prices.ask(item) for item in (b"apple", b"unicorn")] == [b"5", b"90"]
    assert prices.state == b"apple 5 unicorn 90 apple 3 bread 4 tea 2"


@pytest.mark.parametrize("item", [b"unicorn", b"", b"3", b"app", b"apples", b"apple 3"])
def test_prices_crashes_over_what_is_not_on_the_list(item: bytes) -> None:
    prices = Actor(MARKET / "prices.wat")
    prices.init(b"apple 3 bread 4")
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        prices.ask(item)


def test_the_ledger_adds_up() -> None:
    ledger = Actor(MARKET / "ledger.wat")
    assert ledger.init() is None
    assert ledger.ask(b"total?") == b"0"
    ledger.send(b"3 apple for visitors/ann")
    ledger.send(b"97 gold for visitors/bob")
    ledger.send(b"nothing at all")
    assert ledger.ask(b"total?") == b"100"
    assert ledger.state == b"100"
    assert ledger.host.logged[0] == "3 coins in the till, 3 apple for visitors/ann"


def test_a_visitor_orders_one_thing_after_another_for_ever() -> None:
    ann = Actor(MARKET / "visitor.wat", self_id="visitors/ann")
    ann.init(b"apple tea bread")
    for _ in range(6):
        ann.send(b"here you are")
    orders = ["apple", "tea", "bread"] * 2 + ["apple"]
    assert ann.host.sent == [("shop/clerk", f"visitors/ann {item}".encode()) for item in orders]
    assert ann.state == b"tea bread apple"
    assert ann.host.logged == ["good morning", *["here you are"] * 6]
    assert ann.host.slept_ns == [1_500_000_000] * 6


@pytest.mark.parametrize("shopping", [b"tea", b""])
def test_a_visitor_with_a_short_list_orders_it_again_and_again(shopping: bytes) -> None:
    ann = Actor(MARKET / "visitor.wat", self_id="visitors/ann")
    ann.init(shopping)
    ann.send(b"here you are")
    assert ann.host.sent == [("shop/clerk", b"visitors/ann " + shopping)] * 2
    assert ann.state == shopping


def test_the_clerk_serves_and_turns_away(
    clerk: Any, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    (state,) = clerk.Actor().init(None, ("shop/clerk",))
    serve = clerk.MessageServerClient()
    (state,) = serve.handle_send(state, (b"visitors/ann apple",))
    (state,) = serve.handle_send(state, (b"visitors/bob unicorn",))
    assert outbox.sent == [
        ("ledger", b"3 apple for visitors/ann"),
        ("visitors/ann", b"here is your apple, 3 coins please"),
        ("visitors/bob", b"sorry, no unicorn today"),
    ]
    same, (reply,) = serve.handle_request(state, ("request-1", b"how is it going?"))
    assert same == state
    assert json.loads(reply) == {"served": 1, "turned_away": 1}
    assert "no price for unicorn (failed: trap)" in capsys.readouterr().out


def test_the_market_goes_on_whatever_bob_wants(clerk: Any, outbox: Outbox) -> None:
    """The whole system with one mailbox: who gets a message sends the next."""
    spec = manifest.parse((MARKET / "manifest.toml").read_bytes(), str(MARKET / "manifest.toml"))
    initial_states = {actor.path: actor.initial_state for actor in spec.root.actors()}
    ledger = Actor(MARKET / "ledger.wat", self_id="ledger")
    actors = {"ledger": ledger, "shop/prices": outbox.prices}
    for name in ("visitors/ann", "visitors/bob"):
        actors[name] = Actor(MARKET / "visitor.wat", self_id=name)
    assert {*actors, "shop/clerk"} == {*initial_states}
    for name, actor in actors.items():
        actor.init(initial_states[name])
    (state,) = clerk.Actor().init(None, ("shop/clerk",))
    serve = clerk.MessageServerClient()

    mailbox: deque[tuple[str, bytes]] = deque()
    for _ in range(80):
        for outgoing in (outbox.sent, *(actor.host.sent for actor in actors.values())):
            mailbox.extend(outgoing)
            outgoing.clear()
        to, message = mailbox.popleft()
        if to == "shop/clerk":
            (state,) = serve.handle_send(state, (message,))
        else:
            actors[to].send(message)

    day = json.loads(state)
    assert day["served"] > 10
    assert day["turned_away"] >= 2
    assert int(ledger.state or b"0") > 30
