"""What every wasm engine here is configured with. The compiler and the workers must agree on it.

The settings are part of an artifact's cache key and of an actor's chain: the same component
under other settings may burn other fuel, so it counts as another machine.

wasmtime is imported only inside `make_engine`: the supervisor reads `SETTINGS` and never loads
it. Call `make_engine` after a fork, not before; an engine installs signal handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theater.installed import version

if TYPE_CHECKING:
    from wasmtime import Engine

KIB = 1024
MIB = 1024 * 1024

_VERSION = version("wasmtime")
assert _VERSION is not None, "wasmtime is not installed"

# Plain data in a fixed order. What is not named here is wasmtime's default.
SETTINGS: dict[str, Any] = {
    "wasmtime": _VERSION,
    # Determinism: a replay has to compute the same bytes and burn the same fuel.
    "consume_fuel": True,
    "nan_canonicalization": True,
    "relaxed_simd_deterministic": True,
    "threads": False,
    # Async components need a scheduler that the recorded call order knows nothing about.
    "concurrency_support": False,
    # Address space: a worker lives under RLIMIT_AS, so little may be reserved that is not
    # used. A memory above its reservation is copied when it grows, hence the room for growth:
    # with 1 MiB, reaching 128 MiB page by page took 6 s.
    "memory_reservation_bytes": 16 * MIB,
    "memory_reservation_for_growth_bytes": 32 * MIB,
    "memory_guard_bytes": 64 * KIB,
    "memory_may_move": True,
    # Must stay well below RLIMIT_STACK (8 MiB by default): host functions run above it.
    "max_wasm_stack_bytes": 2 * MIB,
    # wasmtime finds wasm frames by frame pointer; unwind tables only make loading slower.
    "native_unwind_info": False,
    "opt_level": "speed",
}


def make_engine() -> Engine:
    """A new engine with `SETTINGS`. Starts no thread as long as nothing is compiled with it."""
    from wasmtime import Config, Engine, _bindings

    config = Config()
    config.consume_fuel = SETTINGS["consume_fuel"]
    config.cranelift_nan_canonicalization = SETTINGS["nan_canonicalization"]
    config.wasm_relaxed_simd_deterministic = SETTINGS["relaxed_simd_deterministic"]
    config.wasm_threads = SETTINGS["threads"]
    config.wasm_component_model = True
    config.memory_reservation = SETTINGS["memory_reservation_bytes"]
    config.memory_reservation_for_growth = SETTINGS["memory_reservation_for_growth_bytes"]
    config.memory_guard_size = SETTINGS["memory_guard_bytes"]
    config.memory_may_move = SETTINGS["memory_may_move"]
    config.max_wasm_stack = SETTINGS["max_wasm_stack_bytes"]
    config.native_unwind_info = SETTINGS["native_unwind_info"]
    config.cranelift_opt_level = SETTINGS["opt_level"]
    # wasmtime-py has no property for this one yet.
    _bindings.wasmtime_config_concurrency_support_set(config.ptr(), SETTINGS["concurrency_support"])
    return Engine(config)
