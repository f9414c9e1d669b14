"""One component: linked, called, limited, and failing in every way it can."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import WAIT_S
from tests.worker.guests import FUEL, LIBC, MIB, FakeHost, compiled, engine, passing_through, start
from theater.engine import SETTINGS
from theater.errors import ComponentError
from theater.worker.failure import LISTS_OUT_MAX_ITEMS
from theater.worker.instance import Abort, GuestFailure, Instance

GUEST = "test:one/guest"


def guest(functions: str, *, globals: str = "", pages: str = "1 4000") -> str:
    """A component that exports core functions without parameters and results as they are."""
    names = [part.split('"')[1] for part in functions.split("(export ")[1:]]
    lifted = "\n".join(f'(func $f-{name} (canon lift (core func $m "{name}")))' for name in names)
    exports = " ".join(f'(export "{name}" (func $f-{name}))' for name in names)
    return f"""(component
      (core module $m (memory {pages}) {globals} {functions})
      (core instance $m (instantiate $m))
      {lifted}
      (instance $out {exports})
      (export "{GUEST}@1.2.3" (instance $out)))"""


CALLS_HOST = """(component
  (import "test:one/host@0.9.0" (instance $host (export "f" (func))))
  (core func $f (canon lower (func $host "f")))
  (core module $m
    (import "host" "f" (func $f))
    (func $inner (call $f))
    (func $outer (export "run") (call $inner)))
  (core instance $m (instantiate $m (with "host" (instance (export "f" (func $f))))))
  (func $run (canon lift (core func $m "run")))
  (instance $out (export "run" (func $run)))
  (export "test:one/guest" (instance $out)))"""

CRASHES = guest(
    """(func $deep unreachable)
    (func (export "crash") (call $deep))
    (func (export "spin") (loop (br 0)))
    (func (export "overflow") (call 3))
    (func (export "fine"))
    (func (export "bounds") (drop (i32.load (i32.const -1))))
    (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))"""
)


def failure(call: Callable[[], Any]) -> GuestFailure:
    with pytest.raises(GuestFailure) as caught:
        call()
    return caught.value


def test_exports_are_named_without_version_and_called_by_that_name() -> None:
    instance = start(CRASHES)
    assert (GUEST, "fine") in instance.exports
    assert instance.call(GUEST, "fine", [], FUEL) == (None, 1)
    with pytest.raises(LookupError, match=r"does not export test:one/guest\.nope"):
        instance.call(GUEST, "nope", [], FUEL)


def test_functions_at_the_root_are_exports_of_the_interface_without_a_name() -> None:
    instance = start(
        '(component (core module $m (func (export "f") (result i32) (i32.const 7)))'
        "(core instance $m (instantiate $m))"
        '(func $f (result u8) (canon lift (core func $m "f"))) (export "f" (func $f)))'
    )
    assert instance.exports == {("", "f")}
    assert instance.call("", "f", [], FUEL)[0] == 7


def test_the_same_call_burns_the_same_fuel_every_time() -> None:
    used = {
        start(passing_through("string"), FakeHost(lambda _f, args: args[0])).call(
            "test:abi/guest", "run", ["hello"], budget
        )[1]
        for budget in (1_000, 10_000, FUEL)
    }
    assert len(used) == 1


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("crash", "wasm `unreachable` instruction executed"),
        ("bounds", "out of bounds memory access"),
        ("divide", "integer divide by zero"),
        ("overflow", "call stack exhausted"),
    ],
)
def test_a_trap_says_what_happened_and_where(function: str, text: str) -> None:
    instance = start(CRASHES)
    caught = failure(lambda: instance.call(GUEST, function, [], FUEL))
    assert caught.kind == "trap"
    assert caught.message.startswith(text)
    assert all(frame.startswith("m!") for frame in caught.backtrace)
    if function == "crash":
        assert caught.backtrace[0] == "m!deep"


def test_a_failed_instance_is_finished() -> None:
    instance = start(CRASHES)
    failure(lambda: instance.call(GUEST, "crash", [], FUEL))
    again = failure(lambda: instance.call(GUEST, "fine", [], FUEL))
    assert "failed before" in again.message


def test_a_loop_without_end_runs_out_of_fuel() -> None:
    instance = start(CRASHES)
    caught = failure(lambda: instance.call(GUEST, "spin", [], 1_000_000))
    assert caught.kind == "fuel"
    assert caught.message == "used up its fuel of 1,000,000"
    assert caught.fuel == 1_000_000


def test_stack_overflow_is_a_trap_in_the_main_thread_of_a_fresh_process() -> None:
    """Host functions run above the wasm stack, and all of it must fit RLIMIT_STACK."""
    code = f"""
import sys
from theater.worker.instance import GuestFailure, Instance
instance = Instance({compiled(CRASHES)!r}, None, memory_bytes=1 << 20)
try:
    instance.call({GUEST!r}, "overflow", [], 10**12)
except GuestFailure as error:
    print(error.kind, error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True
    )
    assert done.stdout.startswith("trap call stack exhausted")
    assert SETTINGS["max_wasm_stack_bytes"] * 2 <= resource.getrlimit(resource.RLIMIT_STACK)[0]


GROWS = guest(
    """(func (export "bomb")
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable)"""
)


def test_a_trap_after_memory_has_grown_to_its_limit_says_so() -> None:
    instance = start(GROWS, memory_bytes=100 * MIB)
    caught = failure(lambda: instance.call(GUEST, "bomb", [], FUEL))
    assert caught.kind == "trap"
    assert "close to the limit of 100 MiB" in caught.message


@pytest.mark.parametrize("limit", [1 * MIB, 16 * MIB, 100 * MIB])
def test_a_trap_far_from_the_limit_does_not_blame_memory(limit: int) -> None:
    instance = start(CRASHES, memory_bytes=limit)
    assert "limit" not in failure(lambda: instance.call(GUEST, "crash", [], FUEL)).message


def test_a_memory_that_starts_above_the_limit_is_a_memory_failure() -> None:
    caught = failure(lambda: start(guest('(func (export "f"))', pages="200"), memory_bytes=MIB))
    assert caught.kind == "memory"
    assert "exceeds memory limits" in caught.message


STARTS = """(component
  (core module $m (func $start {body}) (start $start))
  (core instance (instantiate $m)))"""


def test_a_guest_whose_start_function_traps_fails() -> None:
    caught = failure(lambda: start(STARTS.format(body="unreachable")))
    assert caught.kind == "trap"
    assert caught.backtrace == ["m!start"]


def test_a_guest_whose_start_function_never_ends_runs_out_of_fuel() -> None:
    caught = failure(lambda: start(STARTS.format(body="(loop (br 0))"), fuel=10_000))
    assert (caught.kind, caught.fuel) == ("fuel", 10_000)


def test_starting_up_counts_its_fuel() -> None:
    assert start(STARTS.format(body="nop nop")).fuel_used > 0


def test_host_functions_are_named_without_version() -> None:
    host = FakeHost()
    start(CALLS_HOST, host).call(GUEST, "run", [], FUEL)
    assert host.calls == [("test:one/host", "f", [])]


def raising(error: BaseException) -> FakeHost:
    def answer(_function: str, _args: list[Any]) -> Any:
        raise error

    return FakeHost(answer)


def test_an_exception_in_a_host_function_is_a_trap_that_names_function_and_error() -> None:
    error = KeyError("lost")
    caught = failure(lambda: start(CALLS_HOST, raising(error)).call(GUEST, "run", [], FUEL))
    assert caught.kind == "trap"
    assert caught.message == "test:one/host.f: KeyError: 'lost'"
    assert caught.backtrace == ["m!inner", "m!outer"]
    assert caught.__cause__ is error


class Leave(Abort):
    pass


@pytest.mark.parametrize("error", [Leave("now"), KeyboardInterrupt(), SystemExit(3)])
def test_an_abort_comes_out_of_the_call_as_the_same_object(error: BaseException) -> None:
    instance = start(CALLS_HOST, raising(error))
    with pytest.raises(type(error)) as caught:
        instance.call(GUEST, "run", [], FUEL)
    assert caught.value is error
    failure(lambda: instance.call(GUEST, "run", [], FUEL))


def test_a_text_that_looks_like_running_out_of_fuel_does_not_fool_the_kind() -> None:
    fake = RuntimeError("x\n\nCaused by:\n    wasm trap: all fuel consumed by WebAssembly")
    caught = failure(lambda: start(CALLS_HOST, raising(fake)).call(GUEST, "run", [], FUEL))
    assert caught.kind == "trap"
    named = "\\n\\nCaused by:\\n    wasm trap: all fuel consumed by WebAssembly"
    wat = guest(f'(func $"{named}" unreachable) (func (export "run") (call 0))')
    assert failure(lambda: start(wat).call(GUEST, "run", [], FUEL)).kind == "trap"


def test_an_export_cannot_be_called_while_a_host_function_runs() -> None:
    caught: list[BaseException] = []

    def answer(_function: str, _args: list[Any]) -> None:
        with pytest.raises(RuntimeError, match="waits in a host function") as error:
            instance.call(GUEST, "run", [], FUEL)
        caught.append(error.value)

    instance = start(CALLS_HOST, FakeHost(answer))
    instance.call(GUEST, "run", [], FUEL)
    assert len(caught) == 1


RESOURCES = f"""(component
  (import "test:one/files" (instance $files
    (export "file" (type $file (sub resource)))
    (export "open" (func (param "name" string) (result (own $file))))
    (export "[method]file.size" (func (param "self" (borrow $file)) (result u32)))))
  (alias export $files "file" (type $file))
  (import "test:one/users" (instance $users
    (alias outer 1 $file (type $outer))
    (export "file" (type $file (eq $outer)))
    (export "close" (func (param "file" (own $file))))))
  {LIBC.format(pages=1)}
  (core func $open (canon lower (func $files "open") (memory $memory) (realloc $realloc)))
  (core func $size (canon lower (func $files "[method]file.size")))
  (core func $close (canon lower (func $users "close")))
  (core func $drop (canon resource.drop $file))
  (core module $m
    (import "host" "memory" (memory 1))
    (import "host" "open" (func $open (param i32 i32) (result i32)))
    (import "host" "size" (func $size (param i32) (result i32)))
    (import "host" "close" (func $close (param i32)))
    (import "host" "drop" (func $drop (param i32)))
    (global $kept (mut i32) (i32.const 0))
    (data (i32.const 100) "a.txt")
    (func (export "size") (result i32)
      (local $file i32) (local $size i32)
      (local.set $file (call $open (i32.const 100) (i32.const 5)))
      (local.set $size (call $size (local.get $file)))
      (call $drop (local.get $file))
      (local.get $size))
    (func (export "give-back") (call $close (call $open (i32.const 100) (i32.const 5))))
    (func (export "keep") (global.set $kept (call $open (i32.const 100) (i32.const 5))))
    (func (export "use-again") (result i32) (call $size (global.get $kept)))
    (func (export "forge") (result i32) (call $size (i32.const 99))))
  (core instance $m (instantiate $m (with "host" (instance
    (export "memory" (memory $memory)) (export "open" (func $open)) (export "size" (func $size))
    (export "close" (func $close)) (export "drop" (func $drop))))))
  (func $size (result u32) (canon lift (core func $m "size")))
  (func $give-back (canon lift (core func $m "give-back")))
  (func $keep (canon lift (core func $m "keep")))
  (func $use-again (result u32) (canon lift (core func $m "use-again")))
  (func $forge (result u32) (canon lift (core func $m "forge")))
  (instance $out (export "size" (func $size)) (export "give-back" (func $give-back))
    (export "keep" (func $keep)) (export "use-again" (func $use-again))
    (export "forge" (func $forge)))
  (export "test:one/guest" (instance $out)))"""


class Files:
    """Numbers files from 41."""

    def __init__(self) -> None:
        self.last = 40
        self.closed: list[int] = []

    def __call__(self, function: str, args: list[Any]) -> Any:
        match function:
            case "open":
                assert args == ["a.txt"]
                self.last += 1
                return self.last
            case "[method]file.size":
                return args[0] * 10
            case "close":
                self.closed.append(args[0])


def test_resources_are_numbers_on_our_side_and_dropped_when_the_guest_drops_them() -> None:
    files = Files()
    host = FakeHost(files)
    instance = start(RESOURCES, host)
    assert instance.call(GUEST, "size", [], FUEL)[0] == 410
    assert host.dropped == [("test:one/files", "file", 41)]
    assert instance.call(GUEST, "size", [], FUEL)[0] == 420
    assert host.dropped[1:] == [("test:one/files", "file", 42)]


def test_a_resource_given_back_through_another_interface_is_the_same_and_not_dropped() -> None:
    files = Files()
    host = FakeHost(files)
    start(RESOURCES, host).call(GUEST, "give-back", [], FUEL)
    assert files.closed == [41]
    assert host.dropped == []


def test_a_resource_can_be_kept_over_calls() -> None:
    instance = start(RESOURCES, FakeHost(Files()))
    instance.call(GUEST, "keep", [], FUEL)
    for _ in range(3):
        assert instance.call(GUEST, "use-again", [], FUEL)[0] == 410


def test_a_handle_the_guest_made_up_is_a_trap() -> None:
    host = FakeHost(Files())
    caught = failure(lambda: start(RESOURCES, host).call(GUEST, "forge", [], FUEL))
    assert "unknown handle index" in caught.message
    assert host.calls == []


def test_an_exception_while_a_resource_is_dropped_is_a_trap_that_names_it() -> None:
    class Clumsy(FakeHost):
        def drop(self, interface: str, resource: str, rep: int) -> None:
            raise OSError("stuck")

    caught = failure(lambda: start(RESOURCES, Clumsy(Files())).call(GUEST, "size", [], FUEL))
    assert caught.message == "test:one/files.[drop]file: OSError: stuck"


@pytest.mark.parametrize(
    ("wat", "text"),
    [
        ('(component (import "f" (func)))', "imports the function `f` outside of any interface"),
        ('(component (import "r" (type (sub resource))))', "imports the resource `r` outside"),
        ('(component (import "m" (core module)))', "imports another component or module as `m`"),
        (
            '(component (import "a:b/c" (instance (export "m" (core module)))))',
            "a:b/c holds `m`, which is neither a function nor a type",
        ),
        (
            """(component (type $r (resource (rep i32))) (export "r" (type $r)))""",
            "exports a resource of its own, r",
        ),
        (
            """(component (type $r (resource (rep i32)))
              (instance $i (export "r" (type $r))) (export "a:b/c" (instance $i)))""",
            "exports a resource of its own, a:b/c.r",
        ),
    ],
)
def test_what_cannot_be_linked_is_refused_with_the_reason(wat: str, text: str) -> None:
    with pytest.raises(ComponentError) as caught:
        start(wat)
    assert text in str(caught.value)


def test_more_bytes_than_wasmtime_lets_out_of_a_guest_fail_with_the_number() -> None:
    wat = passing_through(("list", "u8"), pages=150)
    host = FakeHost(lambda _function, _args: b"")
    instance = start(wat, host)
    fits = bytes(LISTS_OUT_MAX_ITEMS - 1000)
    assert instance.call("test:abi/guest", "run", [fits], FUEL)[0] == b""
    assert host.calls[0][2] == [fits]
    too_many = bytes(LISTS_OUT_MAX_ITEMS + 1000)
    caught = failure(lambda: instance.call("test:abi/guest", "run", [too_many], FUEL))
    assert caught.kind == "trap"
    assert "more than 2,796,202 items" in caught.message
    assert "limit of" not in caught.message


def test_bytes_that_do_not_fit_the_address_space_are_refused_before_the_call() -> None:
    """wasmtime would end the process when its copy of them cannot be allocated."""
    wat = passing_through(("list", "u8"), pages=150)
    compiled(wat)  # not in the child: a compile after a fork hangs
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            instance = start(wat)
            limit = _mapped_bytes() + 300 * MIB
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            try:
                instance.call("test:abi/guest", "run", [bytes(4 * MIB)], FUEL)
            except ValueError as error:
                status = 0 if "no room" in str(error) else 2
            instance.call("test:abi/guest", "run", [b"goes on"], FUEL)
        except GuestFailure as error:  # its host answers None, which is no list
            status = status or (0 if "list<u8> takes bytes" in error.message else 3)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_file_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.cwasm"
    path.write_bytes(b"\0asm")
    with pytest.raises(ComponentError, match=r"cannot load the compiled component .*x\.cwasm"):
        Instance(str(path), FakeHost(), memory_bytes=MIB)
    with pytest.raises(ComponentError, match="cannot load"):
        Instance(str(tmp_path / "nothing"), FakeHost(), memory_bytes=MIB)


def test_a_closed_instance_leaves_nothing_behind() -> None:
    from theater.worker import imports

    before = len(imports._slots)
    for _ in range(20):
        start(RESOURCES, FakeHost(Files())).close()
    assert len(imports._slots) == before


def test_an_artifact_runs_through_a_descriptor_in_a_forked_child_with_little_address_space() -> (
    None
):
    """What a worker does: fork, limit the address space, map through /proc/self/fd, run."""
    engine()  # compile here, so that the child only loads
    fd = os.open(compiled(CRASHES), os.O_RDONLY)
    bomb = os.open(compiled(GROWS), os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            limit = _mapped_bytes() + 512 * MIB
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            instance = Instance(f"/proc/self/fd/{fd}", FakeHost(), memory_bytes=128 * MIB)
            instance.call(GUEST, "fine", [], FUEL)
            instance = Instance(f"/proc/self/fd/{bomb}", FakeHost(), memory_bytes=128 * MIB)
            try:
                instance.call(GUEST, "bomb", [], FUEL)
            except GuestFailure as error:
                assert "close to the limit" in error.message
                assert len(os.listdir("/proc/self/task")) == 1, "a thread was started"
                status = 0
        finally:
            os._exit(status)
    os.close(fd)
    os.close(bomb)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _mapped_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def test_importing_the_worker_starts_no_thread_and_makes_no_engine() -> None:
    """The zygote has imported all of this and forks; a thread would be lost in the fork."""
    code = """
import os, signal
import theater.worker.instance
import theater.worker.wasi
assert len(os.listdir("/proc/self/task")) == 1
with open("/proc/self/status") as file:
    caught = next(line for line in file if line.startswith("SigCgt"))
print(int(caught.split()[1], 16) >> (signal.SIGSEGV - 1) & 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True
    )
    assert done.stdout == "0\n"  # no handler of wasmtime's yet
