"""Say what a compiled component imports and exports, as plain data.

    {"imports": {"theater:simple/runtime": {"version": null,
                                            "functions": {"log": "func(msg: string)"}}},
     "exports": {...}}

Types are written like WIT with every alias expanded: `record{hash: list<u8>}`, `enum{a, b}`,
resources by name: `own<output-stream>`. Functions at the root are listed under the name "".
"""

from __future__ import annotations

from typing import Any

import wasmtime
from wasmtime import component as wc
from wasmtime.component import _types as wt

_PRIMITIVES: dict[type[wt.ValType], str] = {
    wt.Bool: "bool",
    wt.S8: "s8",
    wt.S16: "s16",
    wt.S32: "s32",
    wt.S64: "s64",
    wt.U8: "u8",
    wt.U16: "u16",
    wt.U32: "u32",
    wt.U64: "u64",
    wt.F32: "f32",
    wt.F64: "f64",
    wt.Char: "char",
    wt.String: "string",
    wt.ErrorContext: "error-context",
}

Interfaces = dict[str, dict[str, Any]]


def describe(component: wc.Component, engine: wasmtime.Engine) -> dict[str, Interfaces]:
    """Imports and exports of a component, with the types of all functions."""
    ty = component.type
    walk = _Walk()
    imports = walk.interfaces(ty.imports(engine), engine)
    return {"imports": imports, "exports": walk.interfaces(ty.exports(engine), engine)}


class _Walk:
    """Knows the resources met so far: an interface may use those of an earlier one."""

    def __init__(self) -> None:
        self._resources: list[tuple[wc.ResourceType, str]] = []

    def interfaces(
        self, items: dict[str, wt.ComponentExtern], engine: wasmtime.Engine
    ) -> Interfaces:
        found: Interfaces = {}
        for full_name, extern in items.items():
            item = extern.ty
            if isinstance(item, wc.ComponentInstanceType):
                name, _, version = full_name.partition("@")
                # One interface in two versions counts as one: a grant names it without version.
                entry = found.setdefault(name, {"version": None, "functions": {}})
                entry["version"] = version or None
                entry["functions"].update(self._functions(item.exports(engine)))
            elif isinstance(item, wc.FuncType):
                entry = found.setdefault("", {"version": None, "functions": {}})
                entry["functions"][full_name] = self._function(item)
            elif isinstance(item, wc.ResourceType):
                self._resources.append((item, full_name))
        return found

    def _functions(self, items: dict[str, wt.ComponentExtern]) -> dict[str, str]:
        members = [(name, extern.ty) for name, extern in items.items()]
        for name, item in members:
            if isinstance(item, wc.ResourceType):
                self._resources.append((item, name))
        return {
            name: self._function(item) for name, item in members if isinstance(item, wc.FuncType)
        }

    def _function(self, ty: wc.FuncType) -> str:
        params = ", ".join(f"{name}: {self._type(param)}" for name, param in ty.params)
        result = ty.result
        return f"func({params})" + ("" if result is None else f" -> {self._type(result)}")

    def _type(self, ty: wt.ValType) -> str:
        primitive = _PRIMITIVES.get(type(ty))
        if primitive is not None:
            return primitive
        if isinstance(ty, wt.ListType):
            return f"list<{self._type(ty.element)}>"
        if isinstance(ty, wt.OptionType):
            return f"option<{self._type(ty.payload)}>"
        if isinstance(ty, wt.TupleType):
            return f"tuple<{', '.join(self._type(element) for element in ty.elements)}>"
        if isinstance(ty, wt.ResultType):
            return self._result(ty.ok, ty.err)
        if isinstance(ty, wt.RecordType):
            fields = ", ".join(f"{name}: {self._type(field)}" for name, field in ty.fields)
            return f"record{{{fields}}}"
        if isinstance(ty, wt.VariantType):
            cases = ", ".join(
                name if payload is None else f"{name}({self._type(payload)})"
                for name, payload in ty.cases
            )
            return f"variant{{{cases}}}"
        if isinstance(ty, wt.EnumType):
            return f"enum{{{', '.join(ty.names)}}}"
        if isinstance(ty, wt.FlagsType):
            return f"flags{{{', '.join(ty.names)}}}"
        if isinstance(ty, wt.OwnType):
            return f"own<{self._resource(ty.ty)}>"
        if isinstance(ty, wt.BorrowType):
            return f"borrow<{self._resource(ty.ty)}>"
        return type(ty).__name__.removesuffix("Type").lower()

    def _result(self, ok: wt.ValType | None, err: wt.ValType | None) -> str:
        if err is not None:
            return f"result<{'_' if ok is None else self._type(ok)}, {self._type(err)}>"
        return "result" if ok is None else f"result<{self._type(ok)}>"

    def _resource(self, ty: wc.ResourceType) -> str:
        return next((name for known, name in self._resources if known == ty), "resource")
