"""What can be called of a package, and what is known of each function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import wasmtime

from theater import calls
from theater.pack import bridge, metadata
from theater.pack.interfaces import PACKAGE_NAMES, RENAMED
from theater.pack.types import Function, Type
from theater.quoting import escaped
from theater.worker.core import ARGUMENTS

_PACK_CALL = (["i32"] * ARGUMENTS, ["i32"])


@dataclass(slots=True)
class Export:
    """A function that can be called."""

    name: str  # in the module
    shown: str  # in messages, as upstream has it
    is_for_actors: bool  # another actor calls it, and not Theater of itself
    state: Type | None  # types that are declared
    result: Type | None
    is_of_before: bool | None  # takes calls as before April 2026; None: that is not known yet

    @classmethod
    def of(cls, name: str, declared: Function | None, is_for_actors: bool) -> Export:
        types = [type for _, type in declared.params] if declared is not None else []
        return cls(
            name,
            f"'{escaped(name)}'",
            is_for_actors,
            types[0] if types else None,
            declared.result if declared is not None else None,
            None if bridge.takes_one_tuple(declared) else False,
        )

    def refusal(self, state: bytes | None, why: str, says: str = "") -> dict[str, Any]:
        """What comes of a call that it cannot take. Of another actor's that is the answer; of
        Theater's a failure, which begins with who `says` so."""
        return calls.refusal(state, why) if self.is_for_actors else {"err": says + why}


def find_exports(module: wasmtime.Module, types: metadata.Package) -> dict[tuple[str, str], Export]:
    """What can be called, as components have it.

    A package that declares any export is called at no other. One that declares none is believed to
    be what it exports.
    """
    found: dict[tuple[str, str], Export] = {}
    for each in module.exports:
        interface, function = key = calls.split_name(each.name)
        declared = types.exports.get(interface, {}).get(function)
        is_call = isinstance(each.type, wasmtime.FuncType) and _is_pack_call(each.type)
        if is_call and key not in RENAMED and (declared is not None or not types.exports):
            key = PACKAGE_NAMES.get(key, key)
            is_for_actors = calls.kind_of(*key) == calls.CALL
            found[key] = Export.of(each.name, declared, is_for_actors)
    return found


def _is_pack_call(type: wasmtime.FuncType) -> bool:
    return (list(map(str, type.params)), list(map(str, type.results))) == _PACK_CALL
