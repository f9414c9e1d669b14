"""What goes on in the system under chaos, and what must be so afterwards, however it went. Pure.

Two tellers move money between two tills and tell an audit; clients keep a diary and press a
counter. Nobody's last state depends on who came first: sums, counts, and one ordered stream for
each sender. A teller's turn has four to seven steps, so there is always something half done.

A teller numbers its turns in its own state and sends the number along. In the audit's state each
teller's stream must be a1 b1 c1 a2 b2 c2 ...: `a` and `b` are sends with a request to somebody
else between them, `c` is a request to the audit itself, so the order holds between the two kinds.

A guest opens channels to a host, whose first message is what the guest is to say there; the host
passes it on to a scribe, where it must be such a stream again. Some requests are answered by their
callee in a later turn.

And three are packages of Pack's. A clerk calls what another one exports: it puts a number into the
cell, and gets the one that was there. A runner goes round in a loop, and fails when a round comes
twice or too early. A boss spawns an actor that shuts down at once, and waits for that.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import struct
from collections import Counter
from pathlib import Path

from tests.chaos.customer import Lane, Operation
from tests.real.conftest import COMPONENTS as WAT
from tests.real.conftest import actor
from theater.pack.codec import encode
from theater.pack.types import BYTES
from theater.pack.types import U64 as U64_TYPE
from theater.pack.values import NO_STATE, U32, Option, Variant, ok

PROBE = WAT / "probe.wat"
TELLERS = ("ann", "bob")
ACTORS = (
    *("north", "south", "audit", "vault", "later", "diary", "hits"),
    *("guest", "host", "scribe", "clerk", "cell", "runner", "boss"),
    *TELLERS,
)
ANSWERS = 14  # that the clients hear in a round
COMPONENTS = {
    "hits": "counter.wat",
    "vault": "sink.wat",
    "clerk": "pack-rpc.wat",
    "cell": "pack-rpc.wat",
    "runner": "pack-loop.wat",
    "boss": "pack-boss.wat",
}
# What those import beside messages.
HANDLERS = {"clerk": "rpc", "cell": "rpc", "runner": "loop", "boss": "supervisor"}
ROUNDS = 9  # of the runner's loop, each time
# What the boss spawns.
JOB = """name = "job"
package = "probe.wat"
restart = "temporary"
initial_state = "init-shutdown done"
[[handler]]
type = "runtime"
[[handler]]
type = "message-server"
"""
NO_BYTES = Option(BYTES.wire, None)
NOTHING = encode(b"")
DONE = encode(ok(Option(BYTES.wire, b"done")))
GONE = ("north", "audit", "ann", "host")  # most of their states are not kept
LARGE = 1500  # bytes: over what stands in an event itself

# Nobody gives up here; what is looked for is what gets lost.
HEAD = """name = "bank"
durability = "process"
supervisor = { intensity = 100000, period = 1 }
[defaults]
request_timeout = 600
"""
LIMITS = "[child.limits]\nmax_deliveries = 1000\n"
# The state of the host, which it answers to who opens a channel: what is to be said there.
TALK = r"""count
say-state $ send scribe append a
request later postpone well
say-state $ send scribe append b
say-state $ send scribe append c
close $"""


def write(directory: Path) -> Path:
    """The manifest, and what belongs to it."""
    (directory / "job.toml").write_text(JOB)
    shutil.copy(PROBE, directory)
    path = directory / "manifest.toml"
    path.write_text(HEAD + "\n".join(map(_actor, ACTORS)))
    return path


def _actor(name: str) -> str:
    initial = f"initial_state = {json.dumps(TALK)}\n" if name == "host" else ""
    every = "state_every = 3\n" if name in GONE else ""
    component = COMPONENTS.get(name, PROBE.name)
    handler = HANDLERS.get(name)
    more = "" if handler is None else f'[[child.handler]]\ntype = "{handler}"\n'
    return actor(name, component, extra=initial + every + LIMITS) + more


class Bank:
    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._moved = 0
        self._transfers: Counter[str] = Counter()
        self._pressed = 0
        self._diary = 0
        self._talks = 0
        self._put = 0  # numbers into the cell, one after the other
        self._puts: list[Operation] = []
        self._jobs: list[Operation] = []
        self._runs = 0

    def round(self) -> list[Lane]:
        """Some work for everybody."""
        lanes = []
        for teller in TELLERS:
            lanes.append([Operation("send", teller, self._transfer(teller))])
            lanes.append([Operation("request", teller, self._transfer(teller, careful=True))])
        lanes.append([self._write() for _ in range(3)])
        lanes.append([self._press() for _ in range(2)])
        lanes.append([self._open()])
        lanes.append([self._call() for _ in range(2)])
        lanes.append([self._run()])
        lanes.append([self._spawn()])
        self._dice.shuffle(lanes)
        return lanes

    def _transfer(self, teller: str, careful: bool = False) -> bytes:
        """The script of a transfer. A careful one also looks back, and shows the vault a lot."""
        amount = self._dice.randint(1, 99)
        self._moved += amount
        self._transfers[teller] += 1
        self._pressed += 1
        lines = [
            "count",
            f"send-state audit append {teller}:a",
            f"request north add -{amount}",
            f"send-state audit append {teller}:b",
            "send hits +",
            f"request south add {amount}",
            f"request-state audit append {teller}:c",
        ]
        if careful:
            lines.insert(4, "chain")
            lines.insert(4, "request later postpone yes")
            lines.insert(6, f"request vault {'x' * LARGE}")
        return "\n".join([*lines, "get"]).encode()

    def _write(self) -> Operation:
        self._diary += 1
        return Operation("send", "diary", b"append ,%d" % self._diary)

    def _open(self) -> Operation:
        self._talks += 1
        return Operation(self._dice.choice(("send", "request")), "guest", b"open host get")

    def _call(self) -> Operation:
        self._put += 1
        argument = ("cell", "test:calc/calc.swap", U32(self._put), ())
        self._puts.append(Operation("request", "clerk", b"0" + encode(argument)))
        return self._puts[-1]

    def _run(self) -> Operation:
        self._runs += 1
        return Operation("request", "runner", b"s" + struct.pack("<IIc", 0, ROUNDS, b"."))

    def _spawn(self) -> Operation:
        argument = ("job.toml", NO_BYTES, NO_BYTES, Option(U64_TYPE.wire, None))
        self._jobs.append(Operation("request", "boss", b"2" + encode(argument)))
        return self._jobs[-1]

    def wrong_answers(self) -> list[str]:
        """Of what the cell was told in order: it has to have answered what it was told before. Of
        what the boss has waited for: it may have been killed, and then it is not started again."""
        found = [
            f"a job was answered {job.answer!r}"
            for job in self._jobs
            if job.answer != DONE and b"failed: " not in (job.answer or b"")
        ]
        for number, operation in enumerate(self._puts):
            before = U32(number) if number else NO_STATE
            expected = encode(ok(Variant("result", "ok", 0, (before,))))
            if operation.answer != expected:
                found.append(f"put {number + 1} was answered {operation.answer!r}")
        return found

    def _press(self) -> Operation:
        self._pressed += 1
        return Operation("send", "hits", b"+")

    def wrong_states(self, states: dict[str, bytes]) -> list[str]:
        """What is wrong with the states after all that has been asked for."""
        wanted = {
            "north": _decimal(-self._moved),
            "south": _decimal(self._moved),
            "hits": _decimal(self._pressed),
            "vault": b"",
            "later": b"",
            "guest": _decimal(self._talks),
            "host": TALK.encode(),
            "scribe": "".join(_stream(self._talks)).encode(),
            "clerk": encode(NO_STATE),
            "cell": encode(U32(self._put) if self._put else NO_STATE),
            "runner": encode(struct.pack("<I", ROUNDS if self._runs else 0)),
            "boss": NOTHING,
            "diary": b"".join(b",%d" % number for number in range(1, self._diary + 1)),
            **{name: _decimal(self._transfers[name]) for name in TELLERS},
        }
        found = [
            f"{name} is {states[name][-80:]!r}, not {state[-80:]!r}"
            for name, state in wanted.items()
            if states[name] != state
        ]
        total = int(states["north"] or b"0") + int(states["south"] or b"0")
        if total:
            found.append(f"the tills add up to {total}, not to 0")
        return found + self._wrong_streams(states["audit"].decode())

    def _wrong_streams(self, audit: str) -> list[str]:
        found = []
        entries = re.findall(r"([a-z]+):([abc]\d+)", audit)
        if "".join(":".join(entry) for entry in entries) != audit:
            found.append(f"the audit is garbled: {audit[-80:]!r}")
        for teller in TELLERS:
            stream = [entry for name, entry in entries if name == teller]
            count = self._transfers[teller]
            wanted = _stream(count)
            if stream != wanted:
                found.append(f"{teller}'s stream ends with {stream[-6:]}, not {wanted[-6:]}")
        return found


def _decimal(number: int) -> bytes:
    """As a state that has counted to it; none is the empty one."""
    return b"%d" % number if number else b""


def _stream(count: int) -> list[str]:
    return [f"{letter}{number + 1}" for number in range(count) for letter in "abc"]
