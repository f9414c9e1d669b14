"""What people and programs ask of a running system over the control socket.

Most of it becomes a call of the policy, whose Reply answers it; what needs a file read and a
component compiled goes through a `Preparation` first. The operations are listed in `control`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol

from theater.quoting import quoted
from theater.spec import ChildSpec, SupervisorSpec, SystemSpec, digest
from theater.supervisor import control, listing, policy, reload, view
from theater.supervisor.datadir import keep_manifest
from theater.supervisor.preparer import Judged, Preparation, Wish
from theater.supervisor.stock import Stock
from theater.supervisor.waiter import Waiter
from theater.supervisor.workers import Workers

PREPARATIONS_MAX = 4  # at once; each may compile
INSTANCES_MAX = 10_000  # of one pool


class Owner(Protocol):
    """What the desk needs of root."""

    @property
    def state(self) -> policy.State | None: ...
    def now_s(self) -> float: ...
    def call(self, event: policy.Event) -> None: ...
    def ask_for_stats(self, call: int) -> None: ...
    def go_down(self, kill: bool) -> None: ...
    def helpers(self) -> dict[str, int | None]: ...
    def troubles(self) -> list[dict[str, Any]]: ...


Operation = Callable[["Desk", control.Connection, dict[str, Any]], None]


@dataclass(slots=True)
class Asked:
    """A request that is not answered yet, and what is to be said beside the answer."""

    connection: control.Connection
    facts: dict[str, Any]


class BadRequest(Exception):
    """The request is not one; the text says why."""


class Desk:
    def __init__(
        self,
        root: Owner,
        waiter: Waiter,
        workers: Workers,
        stock: Stock,
        system: SystemSpec,
        manifest: str,
        socket_path: str,
        data: str,
        internal_log: int,
    ) -> None:
        self._root = root
        self._waiter = waiter
        self._workers = workers
        self._stock = stock
        self.system = system
        self._manifest = manifest
        self._data = data  # the data directory
        self._internal_log = internal_log
        self._asked: dict[int, Asked] = {}
        self._counting: set[int] = set()  # requests for which the broker counts mailboxes
        self._next = 1
        self._preparations: set[Preparation] = set()
        self._door = control.Door(socket_path)
        waiter.watch(self._door.listener, self._accept)

    def close(self) -> None:
        self._door.close()
        for preparation in list(self._preparations):
            preparation.close()

    def prepares(self) -> bool:
        """Whether components may arrive that nothing in the tree names yet."""
        return bool(self._preparations)

    @property
    def due_s(self) -> float | None:
        """By when one of those that read manifests for us has to be heard of."""
        return min((each.due_s for each in self._preparations), default=None)

    def hurry(self) -> None:
        for preparation in list(self._preparations):
            preparation.hurry()

    def pids(self) -> set[int]:
        """Of the processes that read manifests for us."""
        return {preparation.helper.pid for preparation in self._preparations}

    # Connections

    def _accept(self) -> None:
        workers = {process.pid for process in self._workers.processes.values()}
        connection = self._door.accept(workers, self._waiter)
        if connection is not None:
            self._waiter.watch(connection.socket, lambda: self._heard(connection))

    def _heard(self, connection: control.Connection) -> None:
        requests = connection.read()
        if requests is None:
            connection.close()
            return
        for request in requests:
            try:
                self._take(connection, request)
            except BadRequest as error:
                connection.reply({"ok": False, "error": str(error), "code": "bad_request"})

    def _take(self, connection: control.Connection, request: dict[str, Any]) -> None:
        operation = request.get("op")
        take = self._OPERATIONS.get(operation) if isinstance(operation, str) else None
        if take is None:
            raise BadRequest(f"there is no operation {operation!r}")
        take(self, connection, request)

    def _number(self, connection: control.Connection, **facts: Any) -> int:
        number = self._next
        self._next += 1
        self._asked[number] = Asked(connection, facts)
        return number

    def answer(self, reply: policy.Reply) -> None:
        """The policy has done, or refused, what was asked."""
        asked = self._asked.pop(reply.call, None)
        if asked is not None:
            key = "text" if reply.ok else "error"
            answer = {"ok": reply.ok, key: reply.text, "code": reply.code}
            asked.connection.reply({**answer, **asked.facts})

    # Looking

    def _ps(self, connection: control.Connection, _request: dict[str, Any]) -> None:
        number = self._number(connection)
        self._counting.add(number)
        self._root.ask_for_stats(number)

    def count_again(self) -> None:
        """The broker is a new one."""
        for number in self._counting:
            self._root.ask_for_stats(number)

    def stats(self, number: int, mailboxes: dict[str, Any]) -> None:
        """The broker has counted its mailboxes for `ps`."""
        self._counting.discard(number)
        asked = self._asked.pop(number, None)
        state = self._root.state
        if asked is None or state is None:
            return
        actors = listing.actor_rows(state, self._workers, self._root.now_s(), mailboxes)
        answer = {"ok": True, **self._header(), "actors": actors}
        asked.connection.reply({**answer, **asked.facts})

    def _tree(self, connection: control.Connection, _request: dict[str, Any]) -> None:
        state = self._state()
        nodes = listing.nodes(state, self._workers, self._root.now_s())
        connection.reply({"ok": True, **self._header(), "nodes": nodes})

    def _header(self) -> dict[str, Any]:
        return {
            "system": self.system.name,
            "manifest": self._manifest,
            "pid": os.getpid(),
            "helpers": self._root.helpers(),
            "troubles": self._root.troubles(),
            "limits": {
                "message_max": self.system.message_max_bytes,
                "state_max": self.system.state_max_bytes,
                "compile_memory": self.system.compile_memory_bytes,
                "compile_timeout_s": self.system.compile_timeout_s,
            },
        }

    def _children(self, connection: control.Connection, request: dict[str, Any]) -> None:
        """OTP's which_children and count_children."""
        path = _text(request, "supervisor")
        answer = listing.children(self._state(), path)
        if answer is None:
            error = f"there is no supervisor {quoted(path)}"
            if view.spec_of(self._state(), path) is not None:
                error += ", but an actor that may not spawn any"
            connection.reply({"ok": False, "error": error, "code": "not_found"})
        else:
            connection.reply({"ok": True, **answer})

    def _spec(self, connection: control.Connection, request: dict[str, Any]) -> None:
        """OTP's get_childspec."""
        path = _text(request, "actor")
        spec = view.spec_of(self._state(), path)
        if spec is None:
            answer = {"ok": False, "error": f"there is no {quoted(path)}", "code": "not_found"}
        else:
            answer = {"ok": True, "spec": listing.spec(spec)}
        connection.reply(answer)

    def _state(self) -> policy.State:
        if self._root.state is None:
            raise BadRequest("the system is just starting; ask again in a moment")
        return self._root.state

    # Administering

    def _stop(self, connection: control.Connection, request: dict[str, Any]) -> None:
        path, strict = _text(request, "actor"), request.get("strict") is True
        self._root.call(policy.StopChild(path, self._number(connection), strict))

    def _start(self, connection: control.Connection, request: dict[str, Any]) -> None:
        path, strict = _text(request, "actor"), request.get("strict") is True
        self._root.call(policy.StartChild(path, self._number(connection), strict))

    def _restart(self, connection: control.Connection, request: dict[str, Any]) -> None:
        path, init = _text(request, "actor"), request.get("init") is True
        self._root.call(policy.RestartChild(path, self._number(connection), init))

    def _delete(self, connection: control.Connection, request: dict[str, Any]) -> None:
        path, strict = _text(request, "actor"), request.get("strict") is True
        self._root.call(policy.DeleteChild(path, self._number(connection), strict))

    def _scale(self, connection: control.Connection, request: dict[str, Any]) -> None:
        pool, count = _text(request, "pool"), request.get("instances")
        if type(count) is not int or not 0 <= count <= INSTANCES_MAX:
            raise BadRequest(f"instances must be a whole number from 0 to {INSTANCES_MAX}")
        self._root.call(policy.Scale(pool, count, self._number(connection)))

    def _start_instance(self, connection: control.Connection, request: dict[str, Any]) -> None:
        pool, args = _text(request, "pool"), request.get("args", [])
        if not isinstance(args, list) or not all(map(_is_text, args)):
            raise BadRequest("args must be a list of strings in UTF-8, without NUL")
        self._root.call(policy.StartInstance(pool, tuple(args), self._number(connection)))

    def _down(self, connection: control.Connection, request: dict[str, Any]) -> None:
        troubles = self._root.troubles()
        connection.reply({"ok": True, "pid": os.getpid(), "troubles": troubles})
        self._root.go_down(kill=request["op"] == "kill")

    # What has to be read and compiled first

    def _add(self, connection: control.Connection, request: dict[str, Any]) -> None:
        file, parent = _file(request), _text(request, "supervisor")

        def judged(children: tuple[ChildSpec, ...], number: int) -> None:
            self._asked[number].facts["added"] = [child.path for child in children]
            self._root.call(policy.AddChildren(parent, children, number))

        wish = Wish(file, parent, self._limits(), self._data)
        self._prepare(connection, wish, judged)

    def _reload(self, connection: control.Connection, request: dict[str, Any]) -> None:
        file = _file(request) if "file" in request else self._manifest
        prune, dry_run = request.get("prune") is True, request.get("dry_run") is True
        planned = request.get("planned")

        def judged(system: SystemSpec, number: int) -> None:
            plan = reload.plan(self._state(), system.root)
            facts = self._asked[number].facts
            facts["digest"] = digest(system)
            if planned not in (None, facts["digest"]):
                text = "the manifest or a component has changed since; nothing has been done"
                self.answer(policy.Reply(number, False, text, "changed"))
                return
            facts["plan"] = listing.plan(plan)
            facts["held"] = _held(self.system, system)
            if dry_run:
                refused = "; ".join(plan.refusals)
                code = "refused" if refused else "ok"
                self.answer(policy.Reply(number, not refused, refused or "nothing done", code))
                return
            if not plan.refusals:
                self._manifest = file
                keep_manifest(self._data, system.text)
            self._root.call(policy.Reload(system.root, prune, number))

        wish = Wish(file, None, self._limits(), self._data, dry_run)
        self._prepare(connection, wish, judged)

    def _prepare(
        self, connection: control.Connection, wish: Wish, judged: Callable[[Any, int], None]
    ) -> None:
        self._state()
        if len(self._preparations) >= PREPARATIONS_MAX:
            raise BadRequest(f"busy: {PREPARATIONS_MAX} manifests are being judged; ask again")
        number = self._number(connection)

        def done(answer: Judged | dict[str, Any]) -> None:
            if isinstance(answer, dict):
                self._asked.pop(number).connection.reply({"code": "bad_manifest", **answer})
            else:
                judged(answer, number)

        def closed() -> None:
            self._preparations.discard(preparation)

        try:
            preparation = Preparation(
                self._waiter, self._internal_log, self._root.now_s, self._stock.take, closed
            )
        except OSError as error:
            del self._asked[number]
            raise BadRequest(
                f"cannot start a process to read it ({error.strerror}); nothing has changed"
            ) from None
        self._preparations.add(preparation)
        preparation.judge(wish, done)

    def _limits(self) -> SystemSpec:
        """The settings of the system, without its tree."""
        return replace(self.system, root=SupervisorSpec(path=""))

    _OPERATIONS: ClassVar[dict[str, Operation]] = {
        "ps": _ps,
        "tree": _tree,
        "children": _children,
        "spec": _spec,
        "stop": _stop,
        "start": _start,
        "restart": _restart,
        "delete": _delete,
        "scale": _scale,
        "start_instance": _start_instance,
        "add": _add,
        "reload": _reload,
        "down": _down,
        "kill": _down,
    }


def _text(request: dict[str, Any], key: str) -> str:
    value = request.get(key)
    if not _is_text(value):
        raise BadRequest(f"{request['op']} needs {key}, a string in UTF-8")
    return str(value)


def _is_text(value: object) -> bool:
    """Whether it can be said to other processes and in the log."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file(request: dict[str, Any]) -> str:
    file = _text(request, "file")
    if not os.path.isabs(file):
        raise BadRequest("file must be an absolute path")
    return file


def _held(old: SystemSpec, new: SystemSpec) -> list[str]:
    """Settings of the system as a whole: they hold from the next `up` on."""
    names = (each.name for each in fields(SystemSpec) if each.name not in ("root", "text"))
    return [name for name in names if getattr(old, name) != getattr(new, name)]
