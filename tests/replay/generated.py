"""Actors made from a seed: what they do follows from clocks, random numbers, messages, answers, how
much memory they have, and sometimes from how long their process has lived.

Their state is one number, which everything they learn is mixed into; what they log and send is made
of it. So whatever a replay answers otherwise shows in the next thing that they do.

The first byte of a message says how often it may be passed on; without a message of its own to send
no actor ever begins.
"""

from __future__ import annotations

import random
from collections.abc import Callable

RETURNED, HEX, OUT, PEERS, HEAP = 0x10, 0x40, 0x80, 0x100, 0x400
OPS_MAX = 9


def source(seed: int, peers: list[str], traps: bool = True) -> str:
    """The WAT of an actor that may talk to `peers`."""
    maker = _Maker(random.Random(seed), peers, traps)
    program = maker.program()
    data = "".join(
        f'    (data (i32.const {PEERS + 32 * number}) "{peer}")\n'
        for number, peer in enumerate(peers)
    )
    return _TEMPLATE.replace(";;DATA", data).replace(";;PROGRAM", program)


class _Maker:
    def __init__(self, rng: random.Random, peers: list[str], traps: bool) -> None:
        self.rng = rng
        self.peers = peers
        self.ops: list[Callable[[], str]] = [
            self.mix,
            self.mix,
            self.wall,
            self.monotonic,
            self.number,
            self.bytes,
            self.log,
            self.log,
            self.send,
            self.send,
            self.request,
            self.spin,
            self.not_a_number,
            self.grow,
        ]
        if traps:
            self.ops += [self.trap]
            if rng.random() < 0.3:
                self.ops += [self.lived]

    def program(self, depth: int = 0) -> str:
        steps = []
        for _ in range(self.rng.randint(2, OPS_MAX if depth == 0 else 3)):
            if depth < 2 and self.rng.random() < 0.2:
                steps.append(self.either(depth))
            else:
                steps.append(self.rng.choice(self.ops)())
        return "\n".join(steps)

    def either(self, depth: int) -> str:
        bit = self.rng.randrange(64)
        return (
            f"(if (i64.ne (i64.const 0) (i64.and (global.get $acc) (i64.shl (i64.const 1)"
            f" (i64.const {bit}))))\n(then {self.program(depth + 1)})\n"
            f"(else {self.program(depth + 1)}))"
        )

    def mix(self) -> str:
        return f"(call $mix (i64.const {self.rng.getrandbits(62)}))"

    def wall(self) -> str:
        at = f"(i32.const {RETURNED})"
        return (
            f"(call $wall {at}) (call $mix (i64.load {at}))"
            f" (call $mix (i64.load32_u (i32.const {RETURNED + 8})))"
        )

    def monotonic(self) -> str:
        return "(call $mix (call $monotonic))"

    def number(self) -> str:
        return "(call $mix (call $random))"

    def bytes(self) -> str:
        count = self.rng.choice([1, 7, 32, 2000])
        return (
            f"(call $bytes (i64.const {count}) (i32.const {RETURNED}))"
            f" (call $mix-bytes (i32.load (i32.const {RETURNED}))"
            f" (i32.load (i32.const {RETURNED + 4})))"
        )

    def log(self) -> str:
        return f"(call $hex) (call $log (i32.const {HEX}) (i32.const 16))"

    def _to(self) -> str:
        number = self.rng.randrange(len(self.peers))
        return f"(i32.const {PEERS + 32 * number}) (i32.const {len(self.peers[number])})"

    def _message(self) -> tuple[str, str]:
        size = self.rng.choice([9, 9, 9, 1500])
        return (
            f"(i32.store8 (i32.const {OUT}) (i32.sub (global.get $left) (i32.const 1)))"
            f" (i64.store (i32.const {OUT + 1}) (global.get $acc))"
        ), f"(i32.const {OUT}) (i32.const {size})"

    def _may(self, body: str) -> str:
        return f"(if (i32.gt_s (global.get $left) (i32.const 0)) (then {body}))"

    def send(self) -> str:
        made, message = self._message()
        return self._may(
            f"{made} (call $send {self._to()} {message} (i32.const {RETURNED}))"
            f" (call $mix (i64.load8_u (i32.const {RETURNED})))"
        )

    def request(self) -> str:
        made, message = self._message()
        return self._may(
            f"{made} (call $request {self._to()} {message} (i32.const {RETURNED}))"
            f" (call $mix (i64.load8_u (i32.const {RETURNED})))"
            f" (call $mix-bytes (i32.load (i32.const {RETURNED + 4}))"
            f" (i32.load (i32.const {RETURNED + 8})))"
        )

    def spin(self) -> str:
        return f"(call $spin (i32.const {self.rng.randint(1, 3000)}))"

    def not_a_number(self) -> str:
        return (
            "(call $mix (i64.reinterpret_f64 (f64.mul (f64.reinterpret_i64 (i64.or"
            " (i64.const 0x7ff8000000000000) (global.get $acc))) (f64.const 3))))"
        )

    def grow(self) -> str:
        return (
            "(if (i32.lt_u (memory.size) (i32.const 40)) (then"
            " (drop (memory.grow (i32.const 1))))) (call $mix (i64.extend_i32_u (memory.size)))"
        )

    def trap(self) -> str:
        every, at = self.rng.choice([17, 31, 63]), self.rng.randrange(17)
        return (
            f"(if (i64.eq (i64.rem_u (global.get $acc) (i64.const {every})) (i64.const {at}))"
            " (then unreachable))"
        )

    def lived(self) -> str:
        """What a fresh instance does not know: a turn that is carried on may diverge."""
        return (
            "(global.set $turns (i64.add (global.get $turns) (i64.const 1)))"
            " (call $mix (global.get $turns))"
        )


_TEMPLATE = """
(component
  (import "theater:simple/runtime" (instance $runtime
    (export "log" (func (param "msg" string)))))
  (import "theater:simple/message-server-host" (instance $messages
    (export "send" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (error string)))))
    (export "request" (func (param "actor-id" string) (param "msg" (list u8))
      (result (result (list u8) (error string)))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $record (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $record)))
    (export "now" (func (result $datetime)))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))

  (core module $Libc
    (memory (export "memory") 1)
;;DATA
    (global $heap (mut i32) (i32.const 0x400))
    (func $reset (export "reset") (param $result i32)
      (global.set $heap (i32.const 0x400)))
    (func $realloc (export "realloc")
        (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $ptr i32) (local $missing i32)
      (local.set $ptr
        (i32.and
          (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $heap (i32.add (local.get $ptr) (local.get $size)))
      (local.set $missing
        (i32.sub
          (i32.shr_u (i32.add (global.get $heap) (i32.const 0xffff)) (i32.const 16))
          (memory.size)))
      (if (i32.gt_s (local.get $missing) (i32.const 0))
        (then
          (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1))
            (then unreachable))))
      (memory.copy (local.get $ptr) (local.get $old) (local.get $old_size))
      (local.get $ptr)))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))

  (core func $log (canon lower (func $runtime "log") (memory $memory)))
  (core func $send
    (canon lower (func $messages "send") (memory $memory) (realloc $realloc)))
  (core func $request
    (canon lower (func $messages "request") (memory $memory) (realloc $realloc)))
  (core func $wall-now (canon lower (func $wall "now") (memory $memory)))
  (core func $monotonic-now (canon lower (func $monotonic "now")))
  (core func $u64 (canon lower (func $random "get-random-u64")))
  (core func $some-bytes
    (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))

  (core module $Main
    (import "libc" "memory" (memory 1))
    (import "host" "log" (func $log (param i32 i32)))
    (import "host" "send" (func $send (param i32 i32 i32 i32 i32)))
    (import "host" "request" (func $request (param i32 i32 i32 i32 i32)))
    (import "host" "wall" (func $wall (param i32)))
    (import "host" "monotonic" (func $monotonic (result i64)))
    (import "host" "random" (func $random (result i64)))
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (global $acc (mut i64) (i64.const 0))
    (global $left (mut i32) (i32.const 0))
    (global $turns (mut i64) (i64.const 0))

    (func $mix (param $with i64)
      (global.set $acc
        (i64.add
          (i64.mul
            (i64.rotl (i64.xor (global.get $acc) (local.get $with)) (i64.const 23))
            (i64.const 0x9e3779b97f4a7c15))
          (i64.const 1))))
    (func $mix-bytes (param $at i32) (param $len i32)
      (local $end i32)
      (local.set $end (i32.add (local.get $at) (local.get $len)))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (call $mix (i64.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))))
    (func $spin (param $n i32)
      (loop $again
        (call $mix (i64.extend_i32_u (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n))))
    (func $hex
      (local $n i32) (local $rest i64) (local $digit i32)
      (local.set $rest (global.get $acc))
      (loop $next
        (local.set $digit (i32.wrap_i64 (i64.and (local.get $rest) (i64.const 15))))
        (i32.store8 (i32.add (i32.const 0x40) (local.get $n))
          (i32.add (local.get $digit)
            (select (i32.const 0x30) (i32.const 0x57)
              (i32.lt_u (local.get $digit) (i32.const 10)))))
        (local.set $rest (i64.shr_u (local.get $rest) (i64.const 4)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $n) (i32.const 16)))))

    (func $load (param $some i32) (param $state i32) (param $len i32)
      (global.set $acc (i64.const 7))
      (if (i32.eq (local.get $len) (i32.const 8))
        (then (global.set $acc (i64.load align=1 (local.get $state))))))
    ;; Ok of the number, at 0x30; of a request the same as its answer, at 0x28.
    (func $store (result i32)
      (i64.store (i32.const 0x38) (global.get $acc))
      (i32.store (i32.const 0x20) (i32.const 0))
      (i32.store (i32.const 0x24) (i32.const 1))
      (i32.store (i32.const 0x28) (i32.const 0x38))
      (i32.store (i32.const 0x2c) (i32.const 8))
      (i32.store (i32.const 0x30) (i32.const 0))
      (i32.const 0x20))
    (func $init (export "init")
        (param $some i32) (param $state i32) (param $len i32)
        (param $id i32) (param $id_len i32) (result i32)
      (call $load (local.get $some) (local.get $state) (local.get $len))
      (call $mix-bytes (local.get $id) (local.get $id_len))
      (call $store))
    (func $run (param $some i32) (param $state i32) (param $len i32)
        (param $msg i32) (param $msg_len i32)
      (call $load (local.get $some) (local.get $state) (local.get $len))
      (global.set $left (i32.const 0))
      (if (local.get $msg_len)
        (then (global.set $left (i32.load8_u (local.get $msg)))))
      (call $mix-bytes (local.get $msg) (local.get $msg_len))
      ;;PROGRAM
    )
    (func (export "handle-send")
        (param $some i32) (param $state i32) (param $len i32)
        (param $msg i32) (param $msg_len i32) (result i32)
      (call $run (local.get $some) (local.get $state) (local.get $len)
        (local.get $msg) (local.get $msg_len))
      (call $store))
    (func (export "handle-request")
        (param $some i32) (param $state i32) (param $len i32)
        (param $id i32) (param $id_len i32) (param $msg i32) (param $msg_len i32) (result i32)
      (call $run (local.get $some) (local.get $state) (local.get $len)
        (local.get $msg) (local.get $msg_len))
      (drop (call $store))
      ;; The answer beside it: option at +0x10, +0x14, +0x18.
      (i32.store (i32.const 0x30) (i32.const 1))
      (i32.store (i32.const 0x34) (i32.const 0x60))
      (i32.store (i32.const 0x38) (i32.const 8))
      (i64.store (i32.const 0x60) (global.get $acc))
      (i32.store (i32.const 0x28) (i32.const 0x60))
      (i32.const 0x20)))
  (core instance $main (instantiate $Main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "log" (func $log))
      (export "send" (func $send))
      (export "request" (func $request))
      (export "wall" (func $wall-now))
      (export "monotonic" (func $monotonic-now))
      (export "random" (func $u64))
      (export "bytes" (func $some-bytes))))))

  (func $init
      (param "state" (option (list u8))) (param "params" (tuple string))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $main "init")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-send
      (param "state" (option (list u8))) (param "params" (tuple (list u8)))
      (result (result (tuple (option (list u8))) (error string)))
    (canon lift (core func $main "handle-send")
      (memory $memory) (realloc $realloc) (post-return $reset)))
  (func $handle-request
      (param "state" (option (list u8))) (param "params" (tuple string (list u8)))
      (result (result (tuple (option (list u8)) (tuple (option (list u8)))) (error string)))
    (canon lift (core func $main "handle-request")
      (memory $memory) (realloc $realloc) (post-return $reset)))

  (instance $actor (export "init" (func $init)))
  (instance $client
    (export "handle-send" (func $handle-send))
    (export "handle-request" (func $handle-request)))
  (export "theater:simple/actor" (instance $actor))
  (export "theater:simple/message-server-client" (instance $client)))
"""
