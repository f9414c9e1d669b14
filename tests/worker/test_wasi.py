"""WASI answers by name, safely, and the same again when its clocks and dice are the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from theater.wasi import STREAMS
from theater.worker.failure import Abort
from theater.worker.wasi import NotProvided, Wasi, WasiExit

NS = 1_000_000_000


class World:
    """A Wasi with a clock that only sleeping moves, and dice that count."""

    def __init__(self, env: dict[str, str] | None = None, args: tuple[str, ...] = ()) -> None:
        self.now_ns = 5 * NS
        self.slept: list[float] = []
        self.lines: list[tuple[str, str]] = []
        dice = itertools.count()
        self.wasi = Wasi(
            env or {},
            args,
            lambda line: self.lines.append(("out", line)),
            lambda line: self.lines.append(("err", line)),
            wall_ns=lambda: 1_700_000_000 * NS + 42,
            monotonic_ns=lambda: self.now_ns,
            random_bytes=lambda count: bytes(next(dice) % 256 for _ in range(count)),
            sleep_s=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * NS)

    def __call__(self, path: str, *args: Any) -> Any:
        interface, _, function = path.partition("#")
        return self.wasi.call(f"wasi:{interface}", function, list(args))


@pytest.fixture
def world() -> World:
    return World()


def test_clocks_give_what_they_are_given(world: World) -> None:
    assert world("clocks/wall-clock#now") == {"seconds": 1_700_000_000, "nanoseconds": 42}
    assert world("clocks/monotonic-clock#now") == 5 * NS
    assert world("clocks/monotonic-clock#resolution") == 1


def test_random_numbers_come_from_the_given_source_and_have_a_bound(world: World) -> None:
    assert world("random/random#get-random-bytes", 3) == bytes([0, 1, 2])
    assert world("random/random#get-random-u64") == int.from_bytes(range(3, 11), "little")
    assert len(world("random/insecure-seed#insecure-seed")) == 2
    with pytest.raises(ValueError, match="random bytes in one call"):
        world("random/random#get-random-bytes", 2**40)


def test_real_clocks_and_randomness_are_the_default() -> None:
    wasi = Wasi({}, (), print, print)
    assert wasi.call("wasi:clocks/wall-clock", "now", [])["seconds"] > 1_700_000_000
    assert wasi.call("wasi:random/random", "get-random-bytes", [16]) != bytes(16)


def test_environment_and_arguments_are_the_manifests_and_nothing_else() -> None:
    world = World({"A": "1", "B": ""}, ("x", "y"))
    assert world("cli/environment#get-environment") == [["A", "1"], ["B", ""]]
    assert world("cli/environment#get-arguments") == ["x", "y"]
    assert world("cli/environment#initial-cwd") is None
    assert World()("cli/environment#get-environment") == []


@pytest.mark.parametrize(
    ("function", "argument", "status"),
    [("exit", {"ok": None}, 0), ("exit", {"err": None}, 1), ("exit-with-code", 7, 7)],
)
def test_exit_ends_the_instance(world: World, function: str, argument: Any, status: int) -> None:
    with pytest.raises(WasiExit) as caught:
        world(f"cli/exit#{function}", argument)
    assert caught.value.status == status
    assert isinstance(caught.value, Abort)


def test_there_is_no_terminal(world: World) -> None:
    for name in ("stdin", "stdout", "stderr"):
        assert world(f"cli/terminal-{name}#get-terminal-{name}") is None


def test_stdin_is_at_its_end(world: World) -> None:
    stdin = world("cli/stdin#get-stdin")
    for method in ("read", "blocking-read", "skip", "blocking-skip"):
        answer = world(f"io/streams#[method]input-stream.{method}", stdin, 10)
        assert answer == {"err": "closed"}
    assert world("io/poll#poll", [world("io/streams#[method]input-stream.subscribe", stdin)]) == [0]


WRITES = [
    ([b"one\n"], ["one"]),
    ([b"one\ntwo\n"], ["one", "two"]),
    ([b"on", b"e\nt", b"wo"], ["one"]),
    ([b"\n\n"], ["", ""]),
    ([b"dos\r\n"], ["dos"]),
    ([b"caf\xc3", b"\xa9\n"], ["café"]),
    ([b"\xff\n"], ["�"]),
    ([b""], []),
]


@pytest.mark.parametrize(("writes", "lines"), WRITES)
def test_whole_lines_go_out_and_the_rest_waits(writes: list[bytes], lines: list[str]) -> None:
    world = World()
    stdout = world("cli/stdout#get-stdout")
    for data in writes:
        write = "io/streams#[method]output-stream.blocking-write-and-flush"
        assert world(write, stdout, data) == {"ok": None}
    assert world.lines == [("out", line) for line in lines]


def test_half_a_line_goes_out_at_the_end_of_the_turn(world: World) -> None:
    out, err = world("cli/stdout#get-stdout"), world("cli/stderr#get-stderr")
    world("io/streams#[method]output-stream.write", out, b"half")
    world("io/streams#[method]output-stream.write", err, b"whole\nrest")
    assert world("io/streams#[method]output-stream.blocking-flush", out) == {"ok": None}
    assert world.lines == [("err", "whole")]
    world.wasi.flush()
    world.wasi.flush()
    assert world.lines == [("err", "whole"), ("out", "half"), ("err", "rest")]


def test_two_handles_of_stdout_write_the_same_line(world: World) -> None:
    first, second = world("cli/stdout#get-stdout"), world("cli/stdout#get-stdout")
    world("io/streams#[method]output-stream.write", first, b"a")
    world("io/streams#[method]output-stream.write", second, b"b\n")
    assert world.lines == [("out", "ab")]


def test_a_line_without_end_is_cut_and_not_kept(world: World) -> None:
    stdout = world("cli/stdout#get-stdout")
    for _ in range(5):
        world("io/streams#[method]output-stream.write", stdout, b"x" * 50_000)
    world("io/streams#[method]output-stream.write", stdout, b"\n" + b"y" * 200_000 + b"\n")
    texts = [line for _, line in world.lines]
    assert "".join(texts) == "x" * 250_000 + "y" * 200_000
    assert max(map(len, texts)) == 64 * 1024


def test_zeroes_and_splices_are_writes_too(world: World) -> None:
    stdout, stdin = world("cli/stdout#get-stdout"), world("cli/stdin#get-stdin")
    world("io/streams#[method]output-stream.write-zeroes", stdout, 2)
    world("io/streams#[method]output-stream.write", stdout, b"\n")
    assert world.lines == [("out", "\0\0")]
    splice = world("io/streams#[method]output-stream.blocking-splice", stdout, stdin, 10)
    assert splice == {"err": "closed"}
    with pytest.raises(ValueError, match="zeroes"):
        world("io/streams#[method]output-stream.write-zeroes", stdout, 2**40)
    assert world("io/streams#[method]output-stream.check-write", stdout) == {"ok": 65536}


def test_polling_sleeps_until_the_first_timer_and_names_all_that_are_ready(world: World) -> None:
    subscribe = "clocks/monotonic-clock#subscribe-duration"
    late, soon = world(subscribe, 9 * NS), world(subscribe, 2 * NS)
    also = world("clocks/monotonic-clock#subscribe-instant", 7 * NS)
    assert world("io/poll#poll", [late, soon, also]) == [1, 2]
    assert world.slept == [2.0]
    assert world("io/poll#[method]pollable.ready", late) is False
    world("io/poll#[method]pollable.block", late)
    assert world.now_ns == 14 * NS
    assert world("io/poll#poll", [late, soon]) == [0, 1]


def test_a_timer_that_is_centuries_away_is_waited_for_in_pieces(world: World) -> None:
    far = world("clocks/monotonic-clock#subscribe-duration", (1 << 64) - 1 - world.now_ns)
    world.now_ns = (1 << 64) - 2 * 3600 * NS
    assert world("io/poll#poll", [far]) == [0]
    assert len(world.slept) == 2 and max(world.slept) == 3600.0


def test_the_time_zone_is_that_of_nowhere(world: World) -> None:
    now = world("clocks/wall-clock#now")
    assert world("clocks/timezone#utc-offset", now) == 0
    assert world("clocks/timezone#display", now)["name"] == "UTC"


def test_polling_nothing_would_wait_for_ever(world: World) -> None:
    with pytest.raises(ValueError, match="wait for ever"):
        world("io/poll#poll", [])


def test_files_are_not_there_and_not_permitted(world: World) -> None:
    assert world("filesystem/preopens#get-directories") == []
    for method in ("open-at", "read", "stat", "unlink-file-at"):
        answer = world(f"filesystem/types#[method]descriptor.{method}", 1, "x")
        assert answer == {"err": "not-permitted"}


def test_the_network_denies_everything(world: World) -> None:
    network = world("sockets/instance-network#instance-network")
    assert world("sockets/tcp-create-socket#create-tcp-socket", "ipv4") == {"err": "access-denied"}
    assert world("sockets/udp-create-socket#create-udp-socket", "ipv6") == {"err": "access-denied"}
    resolve = "sockets/ip-name-lookup#resolve-addresses"
    assert world(resolve, network, "example.org") == {"err": "access-denied"}


def test_what_is_always_there_has_always_the_same_number(world: World) -> None:
    stdout = world("cli/stdout#get-stdout")
    assert [world("cli/stdout#get-stdout") for _ in range(3)] == [stdout] * 3
    world.wasi.drop("wasi:io/streams", "output-stream", stdout)
    assert world("io/streams#[method]output-stream.write", stdout, b"there\n") == {"ok": None}


def test_other_resources_are_numbered_in_order_and_never_again(world: World) -> None:
    first, second = (world("clocks/monotonic-clock#subscribe-duration", 1) for _ in range(2))
    assert second == first + 1
    world.wasi.drop("wasi:io/poll", "pollable", second)
    assert world("clocks/monotonic-clock#subscribe-duration", 1) == second + 1
    assert len(world.wasi.resources) == 2


def test_a_number_that_a_recorded_answer_has_handed_out_is_not_given_again(world: World) -> None:
    world.wasi.reserve("wasi:clocks/monotonic-clock", "subscribe-instant", 9)
    assert world("clocks/monotonic-clock#subscribe-duration", 1) == 10
    write = "[method]output-stream.write"
    world.wasi.reserve(STREAMS, write, {"err": {"last-operation-failed": 20}})
    world.wasi.reserve(STREAMS, write, {"err": "closed"})
    assert world("clocks/monotonic-clock#subscribe-duration", 1) == 21


def test_a_stream_from_before_a_crash_fails_and_its_pollable_is_ready(world: World) -> None:
    answer = world("io/streams#[method]output-stream.write", 77, b"x")
    error = answer["err"]["last-operation-failed"]
    assert "before a crash" in world("io/error#[method]error.to-debug-string", error)
    assert "last-operation-failed" in world("io/streams#[method]input-stream.read", 77, 1)["err"]
    assert world("io/poll#poll", [78]) == [0]
    assert world("filesystem/types#filesystem-error-code", error) is None


def test_what_is_not_there_says_so(world: World) -> None:
    assert world.wasi.handles("wasi:http/outgoing-handler")
    assert not world.wasi.handles("theater:simple/runtime")
    for path in ("http/types#[static]response-outparam.set", "cli/environment#get-moon"):
        with pytest.raises(NotProvided):
            world(path)
