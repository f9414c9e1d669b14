"""What a manifest asks for: the supervision tree and its settings, as plain frozen data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum, StrEnum
from typing import Any

MIB = 1024 * 1024


class Strategy(StrEnum):
    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"  # a pool: instances of one template


class Restart(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class OnRestart(StrEnum):
    """What an actor's next incarnation begins with."""

    RESUME = "resume"  # the last committed state
    INIT = "init"  # `init` with the initial state, as a process does in Erlang


class AutoShutdown(StrEnum):
    """Whether a supervisor goes down when its significant children have ended by themselves."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class ShutdownKind(StrEnum):
    TIMEOUT = "timeout"
    BRUTAL_KILL = "brutal_kill"
    INFINITY = "infinity"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How a child is stopped: asked and given `timeout_s`, killed at once, or waited for."""

    kind: ShutdownKind = ShutdownKind.TIMEOUT
    timeout_s: float = 5.0  # meant only with TIMEOUT


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: `base_s`, then `factor` times as long each time."""

    base_s: float
    factor: float = 2.0
    max_s: float = 60.0
    jitter: float = 0.0  # 0 to 1: this part of the delay is added or taken away at random
    settled_s: float = 60.0  # a child that ran this long begins at `base_s` again


class Durability(StrEnum):
    DISK = "disk"  # an acknowledged commit survives power loss
    PROCESS = "process"  # it survives the death of any process


class OnFull(StrEnum):
    BLOCK = "block"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Function:
    """One function that a handler of an author's provides."""

    type: str  # `func(prompt: string) -> result<string, string>`
    effect: str  # see `handler.Effect`
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Custom:
    """A handler that an author has written, as its class said when it was read."""

    found: str  # `module:Class`, or `file.py:Class`
    directory: str  # of the manifest, where the module is looked for first
    interface: str
    functions: dict[str, Function]
    settings: dict[str, str]  # name -> its kind, with a "?" if it may be missing
    sha256: str  # hex, of its modules; another one if the author has changed something
    wit: str = ""  # the interface, as actors are built against it


@dataclass(frozen=True, slots=True)
class Handler:
    """One granted capability and its settings, e.g. ("message-server", {"send_to": [...]})."""

    type: str
    settings: dict[str, Any] = field(default_factory=dict)
    custom: Custom | None = None  # of an author's handler, once its class has been read


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 256 * MIB  # linear memory of the guest, all memories together
    fuel: int = 10_000_000_000  # per turn
    turn_timeout_s: float = 30.0  # wall time per turn, waiting in asks not counted
    turn_bytes: int = 16 * MIB  # events of one turn
    start_timeout_s: float = 30.0  # from fork to ready
    max_deliveries: int = 3  # a message that has killed this many times is set aside


@dataclass(frozen=True, slots=True)
class MailboxBounds:
    max_messages: int = 10_000
    max_bytes: int = 64 * MIB
    on_full: OnFull = OnFull.BLOCK


@dataclass(frozen=True, slots=True)
class Build:
    """What an actor's component is built from, and how. `sources` says which files that can be."""

    source: str  # absolute path of the source, or of the directory of a project
    actor: str = ""  # Python: the class; "": the only one that there is
    world: str = ""  # of the WIT; "": messaging-actor
    packages: tuple[str, ...] = ()  # Python: from PyPI, as pip is told them
    # The WIT of the handlers that its author has written and the manifest grants.
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActorSpec:
    path: str  # the actor's address, e.g. "pool/worker-1"
    component: str  # absolute path of the .wasm or .wat file
    restart: Restart = Restart.PERMANENT
    on_restart: OnRestart = OnRestart.RESUME
    significant: bool = False  # its own end may end its supervisor: see AutoShutdown
    shutdown: Shutdown = Shutdown()
    initial_state: bytes | None = None
    handlers: tuple[Handler, ...] = ()
    env: dict[str, str] = field(default_factory=dict)  # what wasi:cli/environment answers
    args: tuple[str, ...] = ()
    limits: Limits = Limits()
    mailbox: MailboxBounds = MailboxBounds()
    request_timeout_s: float = 5.0  # of the requests this actor makes
    state_every: int | None = None  # of every so many turns the state is kept; see keeping.py
    recycle_turns: int = 0  # after so many turns of an incarnation a planned restart; 0: never
    where: str = ""  # the TOML path that said so, for error messages: "child[0]"
    directory: str = field(default="", repr=False, compare=False)  # of its manifest, absolute
    # Of one that another actor has spawned: (turn, index) of the ask, which names it for ever.
    spawned: tuple[int, int] | None = None
    resumed: bool = False  # it begins with its initial state as if `init` had returned that
    # How the component comes to be is nothing that a running system knows or compares.
    build: Build | None = field(default=None, repr=False, compare=False)
    component_sha256: str = ""  # hex; known once the component has been compiled

    def handler(self, type: str) -> Handler | None:
        return next((handler for handler in self.handlers if handler.type == type), None)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    path: str  # "" for the root supervisor
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 3  # this many restarts ...
    period_s: float = 5.0  # ... within this window are allowed
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    backoff: Backoff | None = None  # before a restart of any of its children
    restart: Restart = Restart.PERMANENT  # as a child of the supervisor above
    significant: bool = False
    shutdown: Shutdown = Shutdown(ShutdownKind.INFINITY)
    children: tuple[ActorSpec | SupervisorSpec, ...] = ()  # of a pool: its first instances
    template: ActorSpec | SupervisorSpec | None = None  # of a pool: what `instance` is made from
    where: str = ""

    def actors(self) -> Iterator[ActorSpec]:
        """Every actor below, in start order."""
        for child in self.children:
            if isinstance(child, SupervisorSpec):
                yield from child.actors()
            else:
                yield child

    @property
    def written(self) -> tuple[ActorSpec | SupervisorSpec, ...]:
        """The children that the manifest writes down: of a pool its template, not the instances."""
        return self.children if self.template is None else (self.template,)

    def all_written(self) -> Iterator[ActorSpec | SupervisorSpec]:
        """The same at every depth, parents first."""
        for child in self.written:
            yield child
            if isinstance(child, SupervisorSpec):
                yield from child.all_written()


ChildSpec = ActorSpec | SupervisorSpec


def instance(template: ChildSpec, number: int, args: tuple[str, ...] = ()) -> ChildSpec:
    """The instance `number` (from 1) of a pool's template: `pool/worker` -> `pool/worker-1`.

    `args` come after the template's own, as in OTP's start_child; a supervisor's actors get them.
    """
    return _moved(template, template.path, f"{template.path}-{number}", args)


def _moved(spec: ChildSpec, old: str, new: str, args: tuple[str, ...]) -> ChildSpec:
    path = new + spec.path.removeprefix(old)
    if isinstance(spec, ActorSpec):
        return replace(spec, path=path, args=spec.args + args)
    children = tuple(_moved(child, old, new, args) for child in spec.children)
    template = spec.template and _moved(spec.template, old, new, args)
    return replace(spec, path=path, children=children, template=template)


def plain(value: Any) -> Any:
    """A value of a specification as data for msgpack or JSON, written as in a manifest."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Shutdown):
        return value.timeout_s if value.kind is ShutdownKind.TIMEOUT else value.kind.value
    if isinstance(value, bytes):
        short = len(value) <= 1000
        return value.decode(errors="backslashreplace") if short else f"{len(value)} bytes"
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return value


def digest(system: SystemSpec) -> str:
    """The same for the same system: all of its keys, and its components by their contents."""
    return hashlib.sha256(repr(system).encode(errors="surrogatepass")).hexdigest()


def component_hashes(spec: ChildSpec) -> Iterator[str]:
    """Of every actor in it, also of templates."""
    if isinstance(spec, ActorSpec):
        yield spec.component_sha256
    else:
        for written in spec.all_written():
            if isinstance(written, ActorSpec):
                yield written.component_sha256


def compiled(
    spec: ChildSpec, sha256: Mapping[str, str], customs: Mapping[str, Custom]
) -> ChildSpec:
    """The same tree with the hash of every actor's component, by file, and what the classes of
    authors' handlers say, by type."""
    if isinstance(spec, ActorSpec):
        return replace(described(spec, customs), component_sha256=sha256[spec.component])
    children = tuple(compiled(child, sha256, customs) for child in spec.children)
    template = spec.template and compiled(spec.template, sha256, customs)
    return replace(spec, children=children, template=template)


def described(actor: ActorSpec, customs: Mapping[str, Custom]) -> ActorSpec:
    """The actor with what the classes of authors' handlers say, by type."""
    handlers = tuple(
        replace(each, custom=customs[each.type]) if each.type in customs else each
        for each in actor.handlers
    )
    return replace(actor, handlers=handlers)


@dataclass(frozen=True, slots=True)
class SystemSpec:
    name: str
    root: SupervisorSpec
    durability: Durability = Durability.DISK
    head_every_s: float = 60.0  # a tree head is signed so often; 0: only at the end
    message_max_bytes: int = 16 * MIB
    state_max_bytes: int = 64 * MIB
    compile_memory_bytes: int = 2048 * MIB
    compile_timeout_s: float = 120.0
    # The manifest's own text. It says nothing that the rest does not.
    text: bytes = field(default=b"", repr=False, compare=False)
