"""The tables of a manifest: which keys there are, what each is for, and what holds without it.

What a value may be is in `manifest_values`, what holds between keys in `manifest_check`. The
descriptions and defaults are for people: editors show them (`theater schema`), and so does the
reference. The defaults that work are those of `spec`, from where they are taken.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from theater.manifest_values import (
    AutoShutdownWord,
    BuildValue,
    Bytes,
    ChildName,
    CompileMemory,
    Count,
    CountOrNone,
    DurabilityWord,
    EnvName,
    Factor,
    FilePath,
    Flag,
    Fuel,
    InitialState,
    Instances,
    Memory,
    OnFullWord,
    OnRestartWord,
    Part,
    RestartWord,
    RowBytes,
    Seconds,
    SecondsOrNone,
    ShutdownValue,
    StrategyWord,
    SystemName,
    Text,
    size_text,
)
from theater.spec import ActorSpec, Backoff, SupervisorSpec, SystemSpec

_ACTOR = ActorSpec(path="", component="")
_SUPERVISOR = SupervisorSpec(path="")
_SYSTEM = SystemSpec(name="", root=_SUPERVISOR)
_BACKOFF = Backoff(base_s=1)


def key(description: str, default: Any = None) -> Any:
    """A key that may be left out. `default`: what holds then, None: nothing that can be said."""
    said = None if default is None else {"default": default}
    return Field(default=None, description=description, json_schema_extra=said)


def needed(description: str) -> Any:
    """A key that must be there."""
    return Field(description=description)


class Table(BaseModel):
    """A TOML table: keys nobody knows are errors, a missing key is None (TOML has no null)."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BackoffTable(Table):
    """How long a supervisor waits before it restarts a child again."""

    base: Seconds = needed("How long it waits before the first restart.")
    factor: Factor | None = key("So many times as long before each further one.", _BACKOFF.factor)
    max: Seconds | None = key("It waits no longer than this.", _BACKOFF.max_s)
    jitter: Part | None = key(
        "This part of each delay is added or taken away at random, 0 to 1.", _BACKOFF.jitter
    )
    settled: Seconds | None = key(
        "A child that has run this long begins at base again. Without it: as long as max."
    )


class SupervisorTable(Table):
    """How a supervisor restarts its children."""

    strategy: StrategyWord | None = key(
        "Which children are restarted when one has died: that one, all, or that one and those after"
        " it; simple_one_for_one is a pool, instances of one template.",
        _SUPERVISOR.strategy,
    )
    intensity: CountOrNone | None = key(
        "So many restarts within period are allowed; one more, and the supervisor gives up.",
        _SUPERVISOR.intensity,
    )
    period: Seconds | None = key("The window of intensity.", _SUPERVISOR.period_s)
    auto_shutdown: AutoShutdownWord | None = key(
        "Whether it goes down when significant children have ended by themselves: never, when any"
        " has, or when all have.",
        _SUPERVISOR.auto_shutdown,
    )
    backoff: BackoffTable | None = key("Delays before restarts. Without it there are none.")
    instances: Instances | None = key("How many instances a pool begins with.", 0)


class LimitsTable(Table):
    """What an actor may use."""

    memory: Memory | None = key(
        "Linear memory of the guest, all memories together.", size_text(_ACTOR.limits.memory_bytes)
    )
    fuel: Fuel | None = key("What a turn may burn, in wasmtime's units.", _ACTOR.limits.fuel)
    turn_timeout: Seconds | None = key(
        "What a turn may take, waiting for answers not counted.", _ACTOR.limits.turn_timeout_s
    )
    turn_bytes: Bytes | None = key(
        "What the events of one turn may have together.", size_text(_ACTOR.limits.turn_bytes)
    )
    start_timeout: Seconds | None = key(
        "What its process may take from its start until it is ready.",
        _ACTOR.limits.start_timeout_s,
    )
    max_deliveries: Count | None = key(
        "A message during which its process was killed so often is set aside.",
        _ACTOR.limits.max_deliveries,
    )


class MailboxTable(Table):
    """When an actor's mailbox is full, and what then."""

    max_messages: Count | None = key(
        "It is full with so many messages.", _ACTOR.mailbox.max_messages
    )
    max_bytes: Bytes | None = key("Or with so much in them.", size_text(_ACTOR.mailbox.max_bytes))
    on_full: OnFullWord | None = key(
        "block: actors that send to it get nothing to do until it has room; reject: what comes"
        " becomes a dead letter.",
        _ACTOR.mailbox.on_full,
    )


class SystemLimitsTable(Table):
    """Limits of the whole system."""

    message_max: RowBytes | None = key("The largest message.", size_text(_SYSTEM.message_max_bytes))
    state_max: RowBytes | None = key("The largest state.", size_text(_SYSTEM.state_max_bytes))
    compile_memory: CompileMemory | None = key(
        "What compiling a component may use.", size_text(_SYSTEM.compile_memory_bytes)
    )
    compile_timeout: Seconds | None = key(
        "What compiling a component may take.", _SYSTEM.compile_timeout_s
    )


class SingleLimitsTable(LimitsTable, SystemLimitsTable):
    """A manifest of one actor has one [limits] for the actor and the system around it."""


RESTART = key(
    "When it is started again: always, after a crash only (transient), or never (temporary).",
    _ACTOR.restart,
)
ON_RESTART = key(
    "What its next incarnation begins with: resume, the last committed state; or init, `init`"
    " with the initial state, as in Erlang.",
    _ACTOR.on_restart,
)
REQUEST_TIMEOUT = key(
    "A request that it makes is answered with an error after so long.", _ACTOR.request_timeout_s
)
STATE_EVERY = key(
    "Of every so many turns the state's bytes are kept for good. Without it: of each turn, above"
    " 64KiB of every hundredth. The last state always is."
)
RECYCLE_TURNS = key(
    "After so many turns an incarnation is replaced by a fresh one, with its state; 0: never.",
    _ACTOR.recycle_turns,
)
LIMITS = key("What it may use.")
MAILBOX = key("When its mailbox is full, and what then.")


class DefaultsTable(Table):
    """What holds for every actor that says nothing else, key by key; not for supervisors."""

    restart: RestartWord | None = RESTART
    on_restart: OnRestartWord | None = ON_RESTART
    shutdown: ShutdownValue | None = key(
        "How long it has to obey a stop.", _ACTOR.shutdown.timeout_s
    )
    request_timeout: Seconds | None = REQUEST_TIMEOUT
    state_every: Count | None = STATE_EVERY
    recycle_turns: CountOrNone | None = RECYCLE_TURNS
    limits: LimitsTable | None = LIMITS
    mailbox: MailboxTable | None = MAILBOX


class ActorKeys(Table):
    """What an actor may have, wherever it stands. Handlers are checked by `capabilities`."""

    restart: RestartWord | None = RESTART
    on_restart: OnRestartWord | None = ON_RESTART
    significant: Flag | None = key(
        "Whether its own end may shut its supervisor down: see auto_shutdown.", _ACTOR.significant
    )
    build: BuildValue | None = key(
        "The source that its component is built from, relative to the manifest: a .py, .js, .mjs"
        " or .wat file, or a project's package.json or Cargo.toml; or a table."
    )
    shutdown: ShutdownValue | None = key(
        "How long it has to obey a stop. Without it: 5 seconds for an actor, infinity for a"
        " supervisor."
    )
    initial_state: InitialState | None = key("What it begins with, once. Without it: no state.")
    handler: list[Any] | None = key("What it may touch; nothing without a grant.")
    env: dict[EnvName, Text] | None = key("Its environment variables. Without it: none.")
    args: list[Text] | None = key("Its arguments. Without it: none.")
    request_timeout: Seconds | None = REQUEST_TIMEOUT
    state_every: Count | None = STATE_EVERY
    recycle_turns: CountOrNone | None = RECYCLE_TURNS
    mailbox: MailboxTable | None = MAILBOX


class ChildTable(ActorKeys):
    """An actor (`component` or `build`), or a nested supervisor (`supervisor` or `child`)."""

    name: ChildName = needed(
        "Its name among its siblings, the last part of its address: a-z, 0-9, _, . and -."
    )
    component: FilePath | None = key(
        "The file of an actor's component, .wasm or .wat, relative to the manifest."
    )
    limits: LimitsTable | None = LIMITS
    supervisor: SupervisorTable | None = key("This child is a supervisor, and how it restarts.")
    child: list[ChildTable] | None = key("The children of this supervisor, in their start order.")


NAME = needed("The name of the system: 1 to 64 of a-z, 0-9, _ and -.")
DURABILITY = key(
    "disk: what is committed survives a power cut; process: the death of any process, and each"
    " commit takes less time.",
    _SYSTEM.durability,
)
HEAD_EVERY = key(
    "So often a head of the log is signed if it has grown; 0: only at the end.",
    _SYSTEM.head_every_s,
)
SUPERVISOR = key("The root supervisor: how the children at the top are restarted.")


class SystemTable(Table):
    """A system: actors and supervisors, each a [[child]]."""

    name: SystemName = NAME
    durability: DurabilityWord | None = DURABILITY
    head_every: SecondsOrNone | None = HEAD_EVERY
    supervisor: SupervisorTable | None = SUPERVISOR
    defaults: DefaultsTable | None = key("What holds for actors that say nothing else.")
    limits: SystemLimitsTable | None = key("Limits of the whole system.")
    child: list[ChildTable] | None = key("The children of the root, in their start order.")


class SingleTable(ActorKeys):
    """A manifest of one actor, in the shape that `theater:simple` packages come with."""

    name: SystemName = NAME
    package: FilePath | None = key(
        "The file of the component of the one actor, relative to the manifest; or build."
    )
    version: Text | None = key("The version of the package. Nothing depends on it.")
    durability: DurabilityWord | None = DURABILITY
    head_every: SecondsOrNone | None = HEAD_EVERY
    supervisor: SupervisorTable | None = SUPERVISOR
    limits: SingleLimitsTable | None = key("What the actor may use, and the system around it.")


class FragmentTable(Table):
    """More children for a system that runs: all that a file of them may have."""

    defaults: DefaultsTable | None = key("What holds for actors of this file that say nothing.")
    child: list[ChildTable] = needed("The children to be added.")
