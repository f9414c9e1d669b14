"""The scenario's last states: the same whoever comes first, and anything else is noticed."""

from __future__ import annotations

import random
from collections import deque

import pytest

from tests.chaos.bank import ACTORS, ROUNDS, TALK, Bank
from theater.pack.codec import decode, encode
from theater.pack.values import NO_STATE

# The states before anything has happened.
BEGUN = {
    **dict.fromkeys(ACTORS, b""),
    "host": TALK.encode(),
    **dict.fromkeys(("clerk", "cell"), encode(NO_STATE)),
    "runner": encode(bytes(4)),
    "boss": encode(b""),
}


def played(bank: Bank, dice: random.Random, rounds: int) -> dict[str, bytes]:
    """The states after some rounds, by what the components are said to do."""
    states = {name: _text(state) for name, state in BEGUN.items()}
    for _ in range(rounds):
        lanes = bank.round()
        while lanes:
            lane = dice.choice(lanes)
            operation = lane.pop(0)
            mail = deque([(operation.to, _text(operation.body))])
            while mail:
                _run(states, *mail.popleft(), mail)
            lanes = [each for each in lanes if each]
    return {name: _bytes(state) for name, state in states.items()}


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _run(states: dict[str, str], name: str, script: str, mail: deque[tuple[str, str]]) -> None:
    if name == "vault":
        return
    if name == "clerk":
        argument = decode(_bytes(script)[1:])
        assert isinstance(argument, tuple)
        states["cell"] = _text(encode(argument[2]))
        return
    if name == "runner":
        states[name] = _text(encode(ROUNDS.to_bytes(4, "little")))
        return
    if name == "boss":
        return
    if name == "hits":
        script = "count"
    for line in script.split("\n"):
        word, _, rest = line.partition(" ")
        if "-state" in word:
            rest += states[name]
        to, _, body = rest.partition(" ")
        match word:
            case "count":
                states[name] = str(int(states[name] or 0) + 1)
            case "add":
                states[name] = str(int(states[name] or 0) + int(rest))
            case "append":
                states[name] += rest
            case "send" | "send-state":
                mail.append((to, body))
            case "request" | "request-state":
                while mail:  # what was sent leaves before what is asked
                    _run(states, *mail.popleft(), mail)
                _run(states, to, body, mail)
            case "open":  # what the host answers comes on the channel
                mail.append((name, states[to].replace("close $", "")))
            case "say-state":
                mail.append(("host", body))
            case _:
                assert word in ("get", "chain", "postpone", "")


@pytest.mark.parametrize("seed", range(30))
def test_the_last_states_do_not_depend_on_who_comes_first(seed: int) -> None:
    bank = Bank(random.Random(seed))
    assert bank.wrong_states(BEGUN) == []
    dice = random.Random(seed + 1000)
    states = played(bank, dice, rounds=3)
    assert bank.wrong_states(states) == []


@pytest.mark.parametrize("name", ACTORS)
def test_no_state_may_be_another(name: str) -> None:
    bank = Bank(random.Random(1))
    states = played(bank, random.Random(2), rounds=2)
    for other in (b"", b"1", states[name] + b"1", states[name][:-1]):
        if other != states[name]:
            assert bank.wrong_states({**states, name: other})


def test_streams_may_cross_but_not_be_out_of_order() -> None:
    bank = Bank(random.Random(1))
    states = played(bank, random.Random(2), rounds=1)
    ann = b"".join(b"ann:%c%d" % (letter, n) for n in (1, 2) for letter in b"abc")
    bob = ann.replace(b"ann", b"bob")
    assert bank.wrong_states({**states, "audit": bob + ann}) == []
    swapped = ann.replace(b"b1", b"x").replace(b"c1", b"b1").replace(b"x", b"c1")
    (complaint,) = bank.wrong_states({**states, "audit": bob + swapped})
    assert complaint.startswith("ann's stream")
    twice = bob + ann + b"ann:c2"
    assert bank.wrong_states({**states, "audit": twice})
