"""What actors were granted, and what of it they used: decided from the events of a log. Pure.

`Audit` is told every event in the order of the log, each once, and keeps no more of them than there
are actors, handlers and functions. What can be told of a handler's use beside its functions is in
`capabilities`, with the handler. The instances of a pool are one: they have the grants of one
template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from theater.addresses import parent
from theater.calls import BORN, SUPERVISOR, WAITS
from theater.capabilities import HANDLERS, PROVIDERS
from theater.capabilities.capability import Call, HeardFrom, Usage
from theater.capabilities.supervisor import as_birth
from theater.events import FACTS, IN_TURNS, Event, EventType
from theater.quoting import toml
from theater.spec import Strategy

FUNCTIONS_MAX = 200  # of a handler or of WASI, that are told apart: no component has more
OTHERS = "others"
ANSWER_MAX = 4096  # of an answer's event, that counts for `turn_bytes`: see `worker/turn.py`
Evidence = Callable[[bytes], Iterable[Event]]  # its hash -> events
Imports = Callable[[str], frozenset[str] | None]  # a component's SHA-256 -> interfaces; or unknown

# An interface of WASI -> the handlers that answer it. There may be several: a stream is of a file,
# or of something else.
ANSWERED = {
    interface: [name for name, each in HANDLERS.items() if interface in each.answers]
    for handler in HANDLERS.values()
    for interface in handler.answers
}


@dataclass(slots=True)
class Counts:
    """How often functions were called, by name."""

    by_name: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def count(self, name: str, is_refused: bool) -> None:
        if name not in self.by_name and len(self.by_name) >= FUNCTIONS_MAX:
            name = OTHERS
        self.by_name[name] = self.by_name.get(name, 0) + 1
        self.refused += is_refused


@dataclass(slots=True)
class Peak:
    """The most there has been of something, and in which turn of whom."""

    most: int = 0
    actor: str = ""
    turn: int = 0

    def see(self, value: int, actor: str, turn: int) -> None:
        if value > self.most:
            self.most, self.actor, self.turn = value, actor, turn


@dataclass(slots=True)
class Grant:
    """A handler, and what was used of it. `granted` is None if it is not granted (any more)."""

    type: str
    usage: Usage
    interfaces: frozenset[str]  # that it links, where a component imports them
    granted: Mapping[str, Any] | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def is_used(self) -> bool:
        return bool(self.counts.by_name)

    def is_imported(self, known: frozenset[str] | None) -> bool | None:
        """`known`: all that the component imports; None: nobody knows."""
        return None if known is None else not known.isdisjoint(self.interfaces)

    def least(self, known: frozenset[str] | None) -> dict[str, Any] | None:
        """The settings that would have done; None: it need not have been granted.

        What a component imports has to be granted, used or not; where nobody knows what that is
        an unused one is kept as well.
        """
        if not self.is_used and (not self.interfaces or self.is_imported(known) is False):
            return None
        return self.usage.settings(self.granted or {})


class AsGranted(Usage):
    """Of a handler of an author's own nobody knows what a setting grants: it stays as it is."""

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        return dict(granted)


@dataclass(slots=True)
class Account:
    """All of one actor, or of the instances of one template."""

    name: str
    actors: set[str] = field(default_factory=set)
    component: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)  # interface -> a handler of its author's own
    wasi: Counts = field(default_factory=Counts)  # by package; it needs no grant
    turns: int = 0
    failed: int = 0
    changes: int = 0  # of its grants or its component, after it had begun
    fuel: Peak = field(default_factory=Peak)
    turn_bytes: Peak = field(default_factory=Peak)


class Audit:
    """`pools`: the addresses of supervisors whose children are instances of a template.
    `evidence`: what a turn that failed had done and that did not commit; it was granted too."""

    def __init__(self, pools: Iterable[str], heard_from: HeardFrom, evidence: Evidence) -> None:
        self.accounts: dict[str, Account] = {}
        self._pools = frozenset(pools)
        self._heard_from = heard_from
        self._evidence = evidence
        # Of each actor: an ask that has no answer yet, and its turn with what it has recorded.
        self._asks: dict[str, Event] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def take(self, event: Event, size: int) -> None:
        """The next event; `size`: of its bytes. What has not the shape of its type is passed by,
        since that a log is whole is for others to say."""
        payload = event.payload
        if event.type in FACTS and isinstance(payload, dict):
            if payload.get("kind") != "supervisor":
                self._facts(event, payload)
            return
        account = self.accounts.get(template_of(event.actor, self._pools))
        if account is None:
            return  # a supervisor
        if event.type in IN_TURNS:
            self._in_turn(account, event, size)
        elif event.type == EventType.TURN_FAILED:
            account.failed += 1
            hash = payload.get("evidence") if isinstance(payload, dict) else None
            for each in self._evidence(hash) if isinstance(hash, bytes) else ():
                match each.type, each.payload:
                    case EventType.HOST_CALL, [list()]:
                        self._call(account, each, None)
                    case EventType.HOST_CALL, [list(), answer]:
                        self._call(account, each, answer)
        elif event.type == EventType.STARTED:
            for grant in account.grants.values():
                grant.usage.begin(event.actor)
        elif event.type == EventType.DECIDED:
            self._decided(event)

    def end(self) -> list[Account]:
        """All accounts, when the log has ended: asks may be open for ever."""
        for actor in list(self._asks):
            self._call(self.accounts[template_of(actor, self._pools)], self._asks.pop(actor), None)
        for account in self.accounts.values():
            for type_, grant in list(account.grants.items()):
                if grant.granted is None and not grant.is_used:
                    del account.grants[type_]
        return list(self.accounts.values())

    def _decided(self, event: Event) -> None:
        """Of what an actor has spawned, that it is restarted."""
        spawner = parent(event.actor)
        account = self.accounts.get(template_of(spawner, self._pools))
        match event.payload:
            case {"decision": "restart" | "retry", "intensity": int(most), "left": int(left)}:
                for grant in account.grants.values() if account is not None else ():
                    grant.usage.restarted(spawner, most - left)

    def _born(self, spawner: str, answer: Any) -> None:
        """It counts for those above its spawner too."""
        child = answer.get("ok") if isinstance(answer, dict) else None
        above = parent(spawner)
        while isinstance(child, str) and above:
            account = self.accounts.get(template_of(above, self._pools))
            for grant in account.grants.values() if account is not None else ():
                grant.usage.descended(above, child)
            above = parent(above)

    def _facts(self, event: Event, facts: Mapping[str, Any]) -> None:
        name = template_of(event.actor, self._pools)
        account = self.accounts.setdefault(name, Account(name))
        if event.actor in account.actors:
            account.changes += event.type != EventType.RETURNED
        account.actors.add(event.actor)
        component = facts.get("component", facts.get("to"))
        if isinstance(component, str):
            account.component = component
        if isinstance(facts.get("limits"), dict):
            account.limits = facts["limits"]
        grants = facts.get("grants")
        if not isinstance(grants, dict):
            return
        for grant in account.grants.values():
            grant.granted = None
        for type_, settings in grants.items():
            match settings:
                case dict() if type_ in HANDLERS:
                    self._grant(account, type_).granted = settings
                case {"interface": str(interface), "settings": dict(own)} if isinstance(type_, str):
                    account.own[interface] = type_
                    self._own(account, type_, interface).granted = own

    def _grant(self, account: Account, type_: str) -> Grant:
        if type_ not in account.grants:
            handler = HANDLERS[type_]
            interfaces = frozenset(handler.imports) | handler.packages
            account.grants[type_] = Grant(type_, handler.usage(self._heard_from), interfaces)
        return account.grants[type_]

    def _own(self, account: Account, type_: str, interface: str) -> Grant:
        """Of a handler that an author has written."""
        if type_ not in account.grants:
            usage = AsGranted(self._heard_from)
            account.grants[type_] = Grant(type_, usage, frozenset({interface}))
        return account.grants[type_]

    def _in_turn(self, account: Account, event: Event, size: int) -> None:
        actor, payload = event.actor, event.payload
        turn, before = self._sizes.get(actor, (0, 0))
        counted = min(size, ANSWER_MAX) if event.type == EventType.HOST_ANSWER else size
        total = counted + (before if turn == event.turn else 0)
        self._sizes[actor] = event.turn, total
        account.turn_bytes.see(total, actor, event.turn)
        if not isinstance(payload, list):
            return
        ask = self._asks.pop(actor, None)
        if ask is not None:
            is_answer = event.type == EventType.HOST_ANSWER and len(payload) in (1, 2)
            if not is_answer and event.turn == ask.turn:
                self._asks[actor] = ask  # a turn that is carried on comes to it once more
            else:
                self._call(account, ask, payload[0] if is_answer else None)
        match event.type, payload:
            case EventType.HOST_CALL, [list()]:
                self._asks[actor] = event
            case EventType.HOST_CALL, [list(), answer]:
                self._call(account, event, answer)
            case EventType.WASM_RESULT, [_, int(fuel)]:
                account.turns += 1
                account.fuel.see(fuel, actor, event.turn)
                del self._sizes[actor]

    def _call(self, account: Account, event: Event, answer: Any) -> None:
        is_ask = len(event.payload) == 1
        if (event.interface, event.function) == (SUPERVISOR, WAITS):
            answer = as_birth(event.actor, f"{event.turn}:{event.index}", answer)
        call = Call(event.actor, event.interface, event.function, event.payload[0], answer, is_ask)
        if event.interface in PROVIDERS or event.interface in account.own:
            if event.interface in PROVIDERS:
                grant = self._grant(account, PROVIDERS[event.interface])
            else:
                grant = self._own(account, account.own[event.interface], event.interface)
            if grant.usage.call(call):
                grant.counts.count(event.function, call.is_refused())
            if event.interface == SUPERVISOR and event.function in BORN:
                self._born(event.actor, answer)
            return
        for type_ in ANSWERED.get(event.interface, ()):
            grant = self._grant(account, type_)
            if grant.usage.call(call):
                grant.counts.count(event.function, call.is_refused())
                return
        account.wasi.count(event.interface.partition("/")[0], call.is_refused())


def pools(chains: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Of supervisors with their facts those that are pools. The root supervisor is `/`."""
    for name, facts in chains:
        flags = facts.get("flags")
        if isinstance(flags, dict) and flags.get("strategy") == Strategy.SIMPLE_ONE_FOR_ONE:
            yield "" if name == "/" else name


def template_of(address: str, pools: frozenset[str]) -> str:
    """`pool/worker-3` -> `pool/worker`, for what lies below a pool; others as they are."""
    if not pools:
        return address
    path = template = ""
    for segment in address.split("/"):
        name = segment.rpartition("-")[0] if path in pools else ""
        template = f"{template}/{name or segment}".lstrip("/")
        path = f"{path}/{segment}".lstrip("/")
    return template


def manifest_lines(accounts: Iterable[Account], imports: Imports) -> list[str]:
    """What of a manifest would have sufficed: each actor at its place in the tree with the handlers
    it needs, and nothing else of it. What an actor has spawned is not in the manifest, and comes
    as a comment."""
    lines: list[str] = []
    ordered = sorted(accounts, key=lambda each: each.name.split("/"))
    names = {account.name for account in ordered}
    open_: list[str] = []  # the supervisors above, each in its own table
    for account in ordered:
        *above, name = account.name.split("/")
        known = imports(account.component)
        spawner = next((path for path in _paths(above) if path in names), None)
        if spawner is not None:
            lines += ["", f"# {account.name}, which {spawner} has spawned:"]
            lines += [f"# {line}".rstrip() for line in _handler_lines(account, known, "handler")]
            continue
        shared = 0
        while shared < min(len(above), len(open_)) and above[shared] == open_[shared]:
            shared += 1
        for depth in range(shared, len(above)):
            lines += ["", f"[[{_child(depth)}]]", f"name = {toml(above[depth])}"]
        open_ = above
        header = _child(len(above))
        lines += ["", f"[[{header}]]", f"name = {toml(name)}"]
        lines += _handler_lines(account, known, f"{header}.handler")
    return lines[1:]


def _handler_lines(account: Account, known: frozenset[str] | None, header: str) -> Iterator[str]:
    for type_, grant in sorted(account.grants.items()):
        least = grant.least(known)
        if least is None:
            continue
        note = "" if grant.is_used else f"  # {unused(grant.is_imported(known))}"
        yield from ("", f"[[{header}]]", f"type = {toml(type_)}{note}")
        yield from (f"{key} = {toml(value)}" for key, value in least.items())


def _paths(segments: list[str]) -> Iterator[str]:
    """The addresses of all that lies above."""
    for end in range(1, len(segments) + 1):
        yield "/".join(segments[:end])


def unused(is_imported: bool | None) -> str:
    if is_imported is None:
        return "never called; if the component does not import it, take it away"
    return "never called, but the component imports it" if is_imported else "never called"


def _child(depth: int) -> str:
    return ".".join(["child"] * (depth + 1))
