"""Components are compiled once, verified, and every bad one is refused with its cause."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted import mounted
from tests.waiting import WAIT_S, eventually
from theater.errors import ComponentError, EnvironmentProblem, TheaterError
from theater.supervisor import cache
from theater.supervisor.cache import Artifact, open_verified, prepare

MIB = 1024 * 1024
SMALL = """(component
  (import "test:one/host@1.0.0" (instance $host
    (type $r' (record (field "id" u32) (field "name" (option string))))
    (export "r" (type $r (eq $r')))
    (export "file" (type $file (sub resource)))
    (export "f" (func (param "it" $r) (param "at" (borrow $file))
      (result (result (list u8) (error string)))))))
  (core module $m (func (export "run")))
  (core instance $m (instantiate $m))
  (func $run (canon lift (core func $m "run")))
  (instance $out (export "run" (func $run)))
  (export "test:one/guest" (instance $out)))"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache, empty, of one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "theater"


@pytest.fixture
def component(tmp_path: Path) -> str:
    path = tmp_path / "small.wat"
    path.write_text(SMALL)
    return str(path)


def large(functions: int) -> str:
    """A component that takes about 1 s to compile for each 4,000 functions."""
    body = "".join(f"(i32.add (i32.const {n}) (local.get 0)) (local.set 0)" for n in range(60))
    text = "".join(f'(func (export "f{n}") (param i32) {body})' for n in range(functions))
    return f"(component (core module $m {text}) (core instance (instantiate $m)))"


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(ComponentError) as caught:
        call()
    return str(caught.value)


def test_a_component_is_compiled_once_and_found_the_next_time(
    component: str, directory: Path
) -> None:
    said: list[str] = []
    first = prepare(component, on_progress=said.append)
    assert said[0] == "compiling small.wat (1 kB)"
    said.clear()
    assert prepare(component, on_progress=said.append) == first
    assert said == []
    assert first.component_sha256 == hashlib.sha256(SMALL.encode()).hexdigest()
    assert first.size == os.stat(first.path).st_size
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not list(directory.glob("*.tmp"))


def test_imports_and_exports_are_described_with_their_types(component: str) -> None:
    artifact = prepare(component)
    assert artifact.imports == {
        "test:one/host": {
            "version": "1.0.0",
            "functions": {
                "f": "func(it: record{id: u32, name: option<string>}, at: borrow<file>) "
                "-> result<list<u8>, string>"
            },
        }
    }
    assert artifact.exports == {"test:one/guest": {"version": None, "functions": {"run": "func()"}}}


def test_all_types_are_written_like_wit(tmp_path: Path) -> None:
    path = tmp_path / "types.wat"
    path.write_text("""(component
      (import "a:b/c" (instance
        (type $v' (variant (case "x") (case "y" u8)))
        (export "v" (type $v (eq $v')))
        (type $e' (enum "p" "q"))
        (export "e" (type $e (eq $e')))
        (type $f' (flags "s" "t"))
        (export "fl" (type $f (eq $f')))
        (export "r" (type $r (sub resource)))
        (export "one" (func (param "a" $v) (param "b" $e) (param "c" $f) (result (own $r))))
        (export "two" (func (param "d" (tuple s8 u16 s32 u64 f32 f64 char bool)) (result (result))))
        (export "three" (func (result (result string))))
        (export "four" (func (result (result (error $e)))))
        (export "five" (func (param "g" (list (option (list u8)))))))))""")
    assert prepare(str(path)).imports["a:b/c"]["functions"] == {
        "one": "func(a: variant{x, y(u8)}, b: enum{p, q}, c: flags{s, t}) -> own<r>",
        "two": "func(d: tuple<s8, u16, s32, u64, f32, f64, char, bool>) -> result",
        "three": "func() -> result<string>",
        "four": "func() -> result<_, enum{p, q}>",
        "five": "func(g: list<option<list<u8>>>)",
    }


def test_the_binary_form_is_taken_whatever_the_file_is_called(tmp_path: Path) -> None:
    from wasmtime import wat2wasm

    path = tmp_path / "small"
    path.write_bytes(wat2wasm(SMALL))
    assert prepare(str(path)).exports["test:one/guest"]


def test_the_artifact_is_opened_read_only_and_closed_on_exec(component: str) -> None:
    artifact = prepare(component)
    fd = open_verified(artifact)
    try:
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError):
            os.write(fd, b"x")
        assert (
            hashlib.sha256(os.pread(fd, artifact.size, 0)).hexdigest() == artifact.artifact_sha256
        )
    finally:
        os.close(fd)


def _truncate(artifact: Artifact) -> None:
    os.chmod(artifact.path, 0o600)
    os.truncate(artifact.path, artifact.size - 1)


def _flip_a_bit(artifact: Artifact) -> None:
    os.chmod(artifact.path, 0o600)
    with open(artifact.path, "r+b") as file:
        file.seek(artifact.size // 2)
        byte = file.read(1)[0]
        file.seek(artifact.size // 2)
        file.write(bytes([byte ^ 1]))


def _replace_entry(content: str) -> Callable[[Artifact], None]:
    def damage(artifact: Artifact) -> None:
        os.unlink(artifact.entry)
        Path(artifact.entry).write_text(content)

    return damage


DAMAGES: dict[str, Callable[[Artifact], None]] = {
    "artifact truncated": _truncate,
    "artifact with a bit flipped": _flip_a_bit,
    "artifact gone": lambda artifact: os.unlink(artifact.path),
    "entry gone": lambda artifact: os.unlink(artifact.entry),
    "entry empty": _replace_entry(""),
    "entry cut": _replace_entry('{"format": 1, "comp'),
    "entry of another format": _replace_entry('{"format": 0}'),
    "entry that is a list": _replace_entry("[]"),
    "entry without a hash": _replace_entry('{"format": 1, "size": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_compiled_again(component: str, damage: str) -> None:
    before = prepare(component)
    DAMAGES[damage](before)
    said: list[str] = []
    after = prepare(component, on_progress=said.append)
    fd = open_verified(after, on_progress=said.append)
    os.close(fd)
    assert "compiling small.wat (1 kB)" in said
    assert hashlib.sha256(Path(after.path).read_bytes()).hexdigest() == before.artifact_sha256


def test_a_wrong_hash_in_the_entry_is_damage_too(component: str) -> None:
    artifact = prepare(component)
    entry = json.loads(Path(artifact.entry).read_text())
    entry["artifact_sha256"] = "0" * 64
    _replace_entry(json.dumps(entry))(artifact)
    os.close(open_verified(prepare(component)))
    assert prepare(component) == artifact


def test_a_component_changed_after_prepare_is_not_taken_for_the_old_one(component: str) -> None:
    artifact = prepare(component)
    _truncate(artifact)
    Path(component).write_text(SMALL.replace("1.0.0", "1.0.1"))
    assert "has changed meanwhile" in error_of(lambda: open_verified(artifact))


BAD: dict[str, tuple[str, bytes | None, list[str]]] = {
    "missing": ("no.wasm", None, ["no.wasm: there is no such file"]),
    "empty": ("e.wasm", b"", ["e.wasm: the file is empty"]),
    "no wasm": ("t.wasm", b"hello", ["t.wasm: neither a WebAssembly binary nor its text"]),
    "binary noise": ("t.wasm", b"\xff\xfe(x", ["t.wasm: neither a WebAssembly binary"]),
    "syntax": (
        "s.wat",
        b"(component\n  (core modul $m))",
        ["s.wat:2:4: ", "(core modul $m))"],
    ),
    "never closed": ("s.wat", b"(component", ["s.wat:1:11: expected `)`"]),
    "core module": (
        "c.wasm",
        b"\0asm\x01\0\0\0",
        ["c.wasm: a core module", "wasm-tools component"],
    ),
    "core text": ("c.wat", b"(module)", ["c.wat: a core module", "wasm-tools component new"]),
    "preview 1": (
        "p.wat",
        b'(module (import "wasi_snapshot_preview1" "fd_write" (func)))',
        ["p.wat: a core module that uses WASI preview 1", "--adapt", "wasm32-wasip2"],
    ),
    "cut": ("x.wasm", b"\0asm\x0d\0\x01\0\x20\x20", ["x.wasm: not a valid component", "0xa"]),
    "other version": ("x.wasm", b"\0asm\x09\0\x01\0", ["x.wasm: ", "09 00 01 00"]),
    "invalid": (
        "i.wat",
        b"(component (core module (func (result i32))))",
        ["i.wat: not a valid component", "type mismatch"],
    ),
    "threads": (
        "th.wat",
        b"(component (core module (memory 1 1 shared)))",
        ["th.wat: not a valid component", "threads must be enabled"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_component_is_refused_with_file_and_cause(
    tmp_path: Path, directory: Path, case: str
) -> None:
    name, content, texts = BAD[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    message = error_of(lambda: prepare(str(path)))
    assert message.startswith(str(tmp_path))
    for text in texts:
        assert text in message
    assert not directory.exists() or not [*directory.glob("*.cwasm"), *directory.glob("*.json")]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "a directory" in error_of(lambda: prepare(str(tmp_path)))
    assert "not a file" in error_of(lambda: prepare(str(tmp_path / "pipe")))


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(component: str) -> None:
    os.chmod(component, 0)
    assert "Permission denied" in error_of(lambda: prepare(component))


def test_a_cache_that_cannot_be_made_is_a_problem_of_the_machine(
    component: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "small.wat"))
    with pytest.raises(EnvironmentProblem, match="set XDG_CACHE_HOME"):
        prepare(component)


def test_a_cache_open_to_others_is_closed_to_them(component: str, directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    prepare(component)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_compiling_is_stopped_at_its_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.wat"
    path.write_text(large(4000))
    started_s = time.monotonic()
    message = error_of(lambda: prepare(str(path), timeout_s=0.3))
    assert time.monotonic() - started_s < 10
    assert message.startswith(f"{path}: compiling took longer than 0.3 s; raise compile_timeout")


def test_compiling_is_stopped_at_its_memory_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.wat"
    path.write_text(large(4000))
    message = error_of(lambda: prepare(str(path), memory_bytes=140 * MIB))
    assert message.startswith(f"{path}: compiling needs more than 140 MiB of memory")


def test_progress_is_said_about_once_a_second(
    component: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    _slow_compiler(monkeypatch, tmp_path, seconds=2.5)
    prepare(component, on_progress=said.append)
    assert said[0] == "compiling small.wat (1 kB)"
    assert said[1:3] == ["compiling small.wat (1 kB) ... 1 s", "compiling small.wat (1 kB) ... 2 s"]
    assert said[-1].startswith("compiled small.wat in ")


def _slow_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float) -> None:
    """Have the compiler process wait before it begins; its pid goes to a file."""
    site = tmp_path / "slow"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if 'theater.supervisor.compiler' in sys.orig_argv:\n"
        f"    open({str(tmp_path / 'pid')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"    time.sleep({seconds})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))


DEATHS = {
    signal.SIGSEGV: "the compiler died of SIGSEGV",
    signal.SIGKILL: "the compiler was killed",
    signal.SIGXCPU: "of processor time; raise compile_timeout",
}


@pytest.mark.parametrize("number", DEATHS)
def test_a_compiler_that_dies_is_reported_with_the_file(
    component: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    _slow_compiler(monkeypatch, tmp_path, seconds=60)
    pid_file = tmp_path / "pid"
    killer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time\n"
            "for _ in range(3000):\n"
            "    try:\n"
            "        os.kill(int(open(sys.argv[1]).read()), int(sys.argv[2])); break\n"
            "    except (OSError, ValueError): time.sleep(0.01)\n",
            str(pid_file),
            str(int(number)),
        ],
        env={},
    )
    try:
        message = error_of(lambda: prepare(component))
    finally:
        killer.wait(WAIT_S)
    assert message.startswith(f"{component}: ")
    assert DEATHS[number] in message


PREPARE = """
import sys
from theater.supervisor.cache import open_verified, prepare
artifact = prepare(sys.argv[1], on_progress=lambda line: print(line, flush=True))
open_verified(artifact)
print(artifact.artifact_sha256, flush=True)
"""


def _prepare_in_another_process(component: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, component],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(cache.__file__).parents[2],
    )


def test_two_processes_that_need_the_same_component_compile_it_once(
    component: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _slow_compiler(monkeypatch, tmp_path, seconds=1.5)
    both = [_prepare_in_another_process(component) for _ in range(2)]
    outputs = [process.communicate(timeout=WAIT_S)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0][-1] == outputs[1][-1]
    assert len((tmp_path / "pid").read_text().splitlines()) == 1
    assert any(
        "waiting for another process that compiles small.wat" in line
        for lines in outputs
        for line in lines
    )


def test_where_there_are_no_locks_components_are_compiled_nevertheless(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def flock(descriptor: int, _operation: int) -> None:
        tried.append(descriptor)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    assert Path(prepare(component).path).exists() and tried


def test_a_compiler_does_not_outlive_its_caller(
    component: str, tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.wat"
    path.write_text(large(8000))
    caller = _prepare_in_another_process(str(path))
    try:
        assert caller.stdout is not None
        caller.stdout.readline()
        compiler = 0

        def found() -> bool:
            nonlocal compiler
            children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()
            compiler = int(children[0]) if children else 0
            # The parent-death signal is set by the compiler itself, right before it reads.
            return bool(compiler) and _position_of_stdin(compiler) > 0

        eventually(found, "the compiler")
    finally:
        caller.kill()
        caller.communicate()
    eventually(lambda: not Path(f"/proc/{compiler}").exists(), "its end")
    assert not list(directory.glob("*.cwasm"))


def _position_of_stdin(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/fdinfo/0").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def test_a_directory_named_theater_where_one_stands_is_not_run(
    component: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theater").mkdir()
    (tmp_path / "theater" / "__init__.py").write_text("raise SystemExit('taken')")
    (tmp_path / "json.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    assert prepare(component).size > 0


def test_what_a_killed_compiler_left_is_removed_later(component: str, directory: Path) -> None:
    directory.mkdir(parents=True)
    old, new = directory / "a.cwasm.1.tmp", directory / "b.cwasm.2.tmp"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (0, 0))
    prepare(component)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_supervisor_does_not_load_wasmtime_for_any_of_this(component: str) -> None:
    code = PREPARE + "assert not [name for name in sys.modules if name.startswith('wasmtime')]\n"
    subprocess.run(
        [sys.executable, "-c", code, component],
        cwd=Path(cache.__file__).parents[2],
        check=True,
        timeout=WAIT_S,
        stdout=subprocess.DEVNULL,
    )


def test_every_error_is_one_a_person_can_act_on() -> None:
    assert issubclass(ComponentError, TheaterError) and ComponentError.exit_code == 3


def test_a_cache_that_cannot_be_written_is_said_in_one_line_and_read_all_the_same(
    component: str, directory: Path
) -> None:
    with mounted(directory, "1m") as disk:
        disk.fill()
        with pytest.raises(EnvironmentProblem, match="No space left on device") as full:
            prepare(component)
        disk.make_room()
        there = prepare(component)
        disk.remount("ro")
        os.close(open_verified(there))
        assert prepare(component) == there
        other = Path(component).with_name("other.wat")
        other.write_text(SMALL + " ")
        with pytest.raises(EnvironmentProblem, match="Read-only file system") as read_only:
            prepare(str(other))
        for refused in (full, read_only):
            said = str(refused.value)
            assert said.startswith(f"{directory}: the compile cache cannot be written: ")
            assert "set XDG_CACHE_HOME" in said and "\n" not in said
