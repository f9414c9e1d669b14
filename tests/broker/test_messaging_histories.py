"""Thousands of moments at which actors ask, answer later, open, speak, close, die and go.

The workers' side is the real `MessageServer`, which hears of news from the broker late, as a busy
worker does. What it answers its guest the broker must be able to take.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.pretend import EXPORT, PretendedWorker
from tests.broker.whole import Whole
from tests.slices import sliced
from theater.broker import outstanding
from theater.broker.actors import Actor
from theater.broker.book import Out, ToWorker
from theater.broker.turns import Turns
from theater.calls import MESSAGES
from theater.events import EventType, decode
from theater.worker.handlers import ASK
from theater.worker.handlers.message_server import MessageServer

NAMES = ("a", "b", "c")
MOMENTS = 600
TIMEOUT_S = 20.0


class Line(PretendedWorker):
    """It keeps what it has sent until it is acknowledged, and takes no input twice."""

    def __init__(self, turns: Turns, actor: Actor) -> None:
        super().__init__(turns, actor)
        self.sent: list[tuple[Any, ...]] = []
        self.last_input = 0

    def take(self, now_s: float = 0.0) -> None:
        known = len(self.inputs)
        super().take(now_s)
        fresh = [each for each in self.inputs[known:] if each[1] > self.last_input]
        self.inputs[known:] = fresh
        self.last_input = max([self.last_input, *(each[1] for each in fresh)])

    def commit(self, now_s: float = 0.0) -> None:
        assert self.record is not None
        step, events, contents = self.record.cut()
        self.sent.append((self.record.turn, step, self.inputs[0][3], events, contents))
        self._say(self.sent[-1])

    def say_again(self) -> None:
        for frame in self.sent:
            self._say(frame)

    def _say(self, frame: tuple[Any, ...]) -> None:
        turn, step, input_id, events, contents = frame
        self.turns.step(self.actor, turn, step, input_id, events, contents, 0.0)


class Lines(Whole):
    worker_type = Line


class Player:
    """A worker, and what it knows."""

    def __init__(self, system: Whole, worker: PretendedWorker) -> None:
        assert isinstance(worker, Line)
        self.worker = worker
        self.server = MessageServer(worker.actor.name, ("**",), 1 << 20, set())
        self.inbox: list[tuple[Any, ...]] = []
        self.asked: tuple[int, int] | None = None  # (turn, index) of what it waits for
        self._log = system.log
        self.welcome()
        self.hear()

    @property
    def actor(self) -> Actor:
        return self.worker.actor

    def welcome(self) -> None:
        actor = self.actor
        channels = [each.id for each in actor.channels.values() if not each.closed]
        self.inbox.append(("welcome", outstanding.known(actor), channels, actor.committed[0]))

    def hear(self) -> None:
        for message in self.inbox:
            match message:
                case ("settled", id):
                    self.server.settled(id)
                case ("channel", id, is_open):
                    self.server.channel(id, is_open)
                case ("ack", turn, step):
                    self.worker.sent = [s for s in self.worker.sent if s[:2] > (turn, step)]
                    self.server.acknowledged(turn)
                case ("welcome", requests, channels, committed):
                    self.server.stand(requests, channels, committed)
        self.inbox.clear()

    def answered(self, turn: int, index: int) -> None:
        if self.asked == (turn, index):
            self.hear()  # it waits, and takes all that has come before the answer
            self.asked = None
            self.worker.answered()

    def begin(self) -> None:
        _, turn, kind, _, _, name, *_ = self.worker.inputs[0]
        current = self.actor.current
        self.worker.begin()
        self.server.begin(turn, kind, name)
        if current is not None:
            for data in self._log.stored.turn_events(self.actor.id, turn):
                event = decode(data)
                if event.type == EventType.HOST_CALL and len(event.payload) == 2:
                    self.server.replayed(event.function, *event.payload)
            if current.ask is not None:
                self.asked = (turn, current.ask.index)

    def call(self, function: str, *arguments: Any) -> None:
        answer = self.server.call(function, list(arguments))
        record = self.worker.record
        assert record is not None
        if answer is ASK:
            to, body = arguments
            self.asked = (record.turn, record.index)
            self.worker.ask(function, to, body, 0.0)
        else:
            payload = [list(arguments), answer]
            record.add(EventType.HOST_CALL, MESSAGES, function, payload)

    def end(self, reply: bytes | None, accepted: bool, state: bytes | None) -> None:
        _, _, kind, _, _, name, *_ = self.worker.inputs[0]
        answers: dict[str, list[Any]] = {
            "request": [[reply]],
            "channel-open": [[{"accepted": accepted, "message": reply}]],
            "rpc": [[{}]],
        }
        self.server.end(kind, name, [state, *answers.get(kind, [])])
        self.worker.end(state, reply=reply, accepted=accepted)


class History:
    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        orders = [order(name, request_timeout_s=TIMEOUT_S, max_deliveries=4) for name in NAMES]
        self.orders = {each["name"]: each for each in orders}
        self.directory = directory
        self.system: Whole = Lines(directory, *orders)
        self.system.listeners.append(self.tell)
        self.players: dict[str, Player] = {}
        self.now_s = 0.0
        self.number = 0
        for name in NAMES:
            self.start(name)

    def start(self, name: str, anew: str = "") -> None:
        if anew or self.system.actor(name).current is not None:
            worker = self.system.expect(name, anew)
        else:
            worker = self.system.start(name)
            assert isinstance(worker, Line)
            worker.sent.clear()
        self.players[name] = Player(self.system, worker)

    def tell(self, item: Out) -> None:
        """Something leaves, maybe for a worker."""
        if not isinstance(item, ToWorker):
            return
        player = self.players.get(item.actor.name)
        if player is None or player.actor is not item.actor or not item.actor.live:
            return
        player.inbox.append(item.message)
        if item.message[0] == "answer":
            player.answered(*item.message[1:3])

    def broker_dies(self) -> None:
        """Another one goes on; what was not committed it does not know, or nobody has heard of
        what was."""
        chance, old = self.chance, self.system
        if chance.random() < 0.5:
            old.write()
        players, self.players = self.players, {}
        living = [
            (name, player.actor.incarnation, player.actor.secret, 1)
            for name, player in players.items()
        ]
        there = [self.orders[name] for name in old.turns.actors]
        new = self.system = Lines(self.directory, *there, db=old.db, living=living)
        for name, actor in new.turns.actors.items():
            actor.phase = old.turns.actors[name].phase
        for name, player in players.items():
            actor, worker = new.turns.actors[name], player.worker
            actor.route = b"route"
            worker.turns, worker.actor = new.turns, actor
            new.workers[name] = worker
            if chance.random() < 0.5:
                player.inbox.clear()  # it was on its way
            worker.take()
            worker.say_again()
        new.write()
        new.listeners.append(self.tell)
        self.players = players
        for player in players.values():
            player.welcome()
            current = player.actor.current
            if current is not None and current.answered is not None:
                player.answered(current.turn, current.answered[0])
        new.release()

    def moment(self) -> None:
        chance, system = self.chance, self.system
        self.number += 1
        self.now_s += chance.random() / 8
        name = chance.choice(NAMES)
        player = self.players.get(name)
        if player is None:
            self.missing(name)
            return
        body = b"%d" % self.number
        match chance.choices(
            ["go on", "client", "hear", "die", "tick", "impatient", "anew", "go", "broker", "all"],
            [150, 40, 10, 3, 3, 1, 0.5, 0.4, 2, 0.6],
        )[0]:
            case "go on":
                able = [each for each in self.players.values() if each.asked is None]
                if able:
                    self.go_on(chance.choice(able), body)
            case "client":
                kind = chance.choice(["send", "request"])
                system.turns.deliver_from_client(name, body, kind, f"id-{self.number}")
            case "hear" if player.asked is None:
                player.hear()
            case "die":
                self.die(name, chance.choice(["fail", "kill", "stop"]))
            case "tick":
                system.turns.time_out(self.now_s)
            case "impatient":
                if system.turns.client_requests:
                    client = chance.choice(sorted(system.turns.client_requests))
                    outstanding.forget_client(system.turns, client, "timeout: ...", 0.0)
            case "anew":
                self.die(name, "stop")
                self.start(name, "operator")
            case "broker":
                self.broker_dies()
            case "go":
                self.die(name, "stop")
                system.remove(name)
            case "all":
                system.step()
                self.players.clear()
                there = [each for each in self.orders if each in system.turns.actors]
                gone = chance.choice([None, *there]) if len(there) > 1 else None
                self.system = system.again(*(self.orders[each] for each in there if each != gone))
                self.system.listeners.append(self.tell)
        if chance.random() < 0.6:
            self.system.step()

    def go_on(self, player: Player, body: bytes) -> None:
        chance, worker = self.chance, player.worker
        if worker.record is None:
            if worker.inputs:
                self.system.step()  # its journal is of what is committed
                player.begin()
        elif chance.random() < 0.6:
            self.call(player, body)
        else:
            reply = body if chance.random() < 0.5 else None
            player.end(reply, chance.random() < 0.8, body if chance.random() < 0.5 else None)

    def call(self, player: Player, body: bytes) -> None:
        chance, server = self.chance, player.server
        requests, channels = list(server._requests), list(server._channels)
        match chance.choice(
            [
                "send",
                "request",
                "rpc",
                "describe",
                "open",
                "respond",
                "cancel",
                "say",
                "say",
                "say",
                "close",
            ]
        ):
            case "send":
                player.call("send", chance.choice(NAMES), body)
            case "request":
                player.call("request", chance.choice(NAMES), body)
            case "rpc":
                other = chance.random() < 0.1
                export = "t:s/a.other" if other else EXPORT
                timeout_ms = chance.choice([None, None, 0, 30_000])
                self.rpc(player, "call", chance.choice(NAMES), export, body, timeout_ms)
            case "describe" if chance.random() < 0.3:
                self.rpc(player, "exports", chance.choice([*NAMES, "nobody"]))
            case "open":
                player.call("open-channel", chance.choice(NAMES), body)
            case "respond":
                player.call("respond-to-request", chance.choice([*requests, "a:1:1"]), body)
            case "cancel" if chance.random() < 0.5:
                player.call("cancel-request", chance.choice([*requests, "client:1:1"]))
            case "say":
                player.call("send-on-channel", chance.choice([*channels, "a:1:1"]), body)
            case "close" if chance.random() < 0.5:
                player.call("close-channel", chance.choice([*channels, "a:1:1"]))

    def rpc(self, player: Player, function: str, *arguments: Any) -> None:
        record = player.worker.record
        assert record is not None
        player.asked = (record.turn, record.index)
        player.worker.rpc(function, *arguments)

    def die(self, name: str, how: str) -> None:
        player = self.players.pop(name)
        if how == "fail" and player.worker.record is not None and player.asked is None:
            self.system.fail(name)
        else:
            self.system.kill(name, wanted=how == "stop")
        if how == "stop":
            self.system.phase(name, "stopped")

    def missing(self, name: str) -> None:
        """It has died, or is not there at all."""
        if self.chance.random() < 0.4:
            if name not in self.system.turns.actors:
                self.system.adopt(self.orders[name])
            self.start(name)

    def finish(self) -> None:
        """Let everybody come back and do what is left to do."""
        for name in NAMES:
            if name not in self.players:
                if name not in self.system.turns.actors:
                    self.system.adopt(self.orders[name])
                self.start(name)
        for _ in range(1000):
            busy = False
            for player in self.players.values():
                worker = player.worker
                if worker.record is None and worker.inputs:
                    player.begin()
                    busy = True
                if worker.record is not None and player.asked is None:
                    player.end(b"at last", True, None)
                    busy = True
                self.system.step()
            if not busy and all(player.asked is None for player in self.players.values()):
                return
            if not busy:
                self.now_s += 2 * TIMEOUT_S
                self.system.turns.time_out(self.now_s)
                self.system.step()
        raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", sliced(range(50), *range(20)))
def test_any_history_keeps_what_it_promises(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed)
    for _ in range(MOMENTS):
        history.moment()
    history.finish()
    system = history.system
    where = f"seed {seed}"
    assert system.problems() == [], where

    asks = system.query("SELECT status, count(*) FROM asks GROUP BY status")
    assert {status for status, _ in asks} <= {"answered", "abandoned"}, where
    for player in history.players.values():
        player.hear()
        actor = player.actor
        assert list(player.server._requests) == list(actor.outstanding), where
        assert {id for id, each in actor.channels.items() if not each.closed} == set(
            player.server._channels
        ), where
        assert not any(each.closed for each in actor.channels.values()), f"{where}: untold"
        for each in actor.outstanding.values():
            assert system.turns.is_awaited(each.message), f"{where}: nobody waits"

    sides = "SELECT id, opener, callee FROM channels WHERE status = 'open'"
    for id, *both in system.query(sides):
        assert all(id in system.turns.by_id[side].channels for side in both), f"{where}: {id}"
    told: Counter[tuple[str, str]] = Counter()  # (actor, channel): how often it was told
    ended: set[tuple[str, str]] = set()
    order: dict[tuple[Any, ...], tuple[int, int]] = {}
    for name in NAMES:
        for event in system.chain(name):
            if event.type == EventType.WASM_CALL and event.function == "handle-channel-close":
                told[name, event.payload[1][0]] += 1
    for channel, receiver in system.query(
        "SELECT channel, to_name FROM messages WHERE kind = 'channel-close'"
    ):
        assert (receiver, channel) not in ended, f"{where}: {receiver} is told twice of {channel}"
        ended.add((receiver, channel))
    assert all(pair in ended for pair in told), where
    assert set(told.values()) <= {1}, f"{where}: told more than once"
    for sender, receiver, turn, index, own, message in system.query(
        "SELECT from_actor, to_actor, from_turn, from_index, turn, id FROM messages"
        " WHERE from_turn IS NOT NULL AND status = 'done' ORDER BY to_actor, turn"
    ):
        before = order.get((sender, receiver), (0, 0))
        assert before < (turn, index), f"{where}: message {message} in turn {own} out of order"
        order[sender, receiver] = (turn, index)
