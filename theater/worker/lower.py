"""From Python to wasmtime's C values: one closure per type that writes at an address.

The closures check what they are given and raise TypeError or ValueError with what was wanted;
what they had written until then lies in an arena and is forgotten.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from typing import Any

from wasmtime import _ffi as ffi
from wasmtime.component import _types as wt

from theater.worker.cvalues import (
    ENTRY_BYTES,
    FLOATS,
    INTEGERS,
    MEMORY,
    NAME_BYTES,
    OF,
    VAL_BYTES,
    Arena,
    Resources,
    Unsupported,
)

Lower = Callable[[Any, int], None]

_put_qq = struct.Struct("=QQ").pack_into
_put_qqq = struct.Struct("=QQQ").pack_into
_put_qqqq = struct.Struct("=QQQQ").pack_into

BOOL = ffi.WASMTIME_COMPONENT_BOOL.value
STRING = ffi.WASMTIME_COMPONENT_STRING.value
LIST = ffi.WASMTIME_COMPONENT_LIST.value
RECORD = ffi.WASMTIME_COMPONENT_RECORD.value
TUPLE = ffi.WASMTIME_COMPONENT_TUPLE.value
VARIANT = ffi.WASMTIME_COMPONENT_VARIANT.value
ENUM = ffi.WASMTIME_COMPONENT_ENUM.value
OPTION = ffi.WASMTIME_COMPONENT_OPTION.value
RESULT = ffi.WASMTIME_COMPONENT_RESULT.value
FLAGS = ffi.WASMTIME_COMPONENT_FLAGS.value
RESOURCE = ffi.WASMTIME_COMPONENT_RESOURCE.value
CHAR = ffi.WASMTIME_COMPONENT_CHAR.value
U8 = ffi.WASMTIME_COMPONENT_U8.value
U8 = ffi.WASMTIME_COMPONENT_U8.value

# Byte lists up to this start from a copy of a prepared array.
_TEMPLATE_ITEMS = 4096
_U8_TEMPLATE = (bytes([U8]) + bytes(VAL_BYTES - 1)) * _TEMPLATE_ITEMS


class Lowering:
    """Makes closures that build their values in one arena, for one store's resources."""

    def __init__(self, arena: Arena, resources: Resources) -> None:
        self.arena = arena
        self.resources = resources
        self._alive: list[Any] = []  # C strings that closures point to

    def lower(self, ty: wt.ValType) -> Lower:
        """The closure that writes a value of type `ty`; it raises TypeError or ValueError."""
        kind = type(ty)
        if kind in INTEGERS:
            return _lower_integer(kind)
        if kind in FLOATS:
            return _lower_float(kind)
        if kind is wt.Bool:
            return _lower_bool
        if kind is wt.Char:
            return _lower_char
        if kind is wt.String:
            return self._lower_string()
        if isinstance(ty, wt.ListType):
            element = ty.element
            if isinstance(element, wt.U8):
                return self._lower_bytes()
            return self._lower_list(self.lower(element))
        if isinstance(ty, wt.TupleType):
            return self._lower_tuple([self.lower(element) for element in ty.elements])
        if isinstance(ty, wt.RecordType):
            return self._lower_record([(name, self.lower(field)) for name, field in ty.fields])
        if isinstance(ty, wt.OptionType):
            return self._lower_option(ty.payload)
        if isinstance(ty, wt.ResultType):
            return self._lower_result(ty)
        if isinstance(ty, wt.VariantType):
            return self._lower_variant(ty)
        if isinstance(ty, wt.EnumType):
            return self._lower_enum(ty.names)
        if isinstance(ty, wt.FlagsType):
            return self._lower_flags(ty.names)
        if isinstance(ty, wt.OwnType | wt.BorrowType):
            return self._lower_resource(ty)
        raise Unsupported(f"values of type {kind.__name__} cannot cross the sandbox boundary here")

    def _lower_string(self) -> Lower:
        alloc = self.arena.alloc

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, str):
                raise TypeError(f"string takes a str, not {show(value)}")
            encoded = value.encode()
            size = len(encoded)
            if size:
                data = alloc(size)
                MEMORY[data : data + size] = encoded
                _put_qqq(MEMORY, address, STRING, size, data)
            else:
                _put_qqq(MEMORY, address, STRING, 0, 0)

        return lower

    def _lower_bytes(self) -> Lower:
        keep = self.arena.keep

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, bytes | bytearray):
                raise TypeError(f"list<u8> takes bytes, not {show(value)}")
            size = len(value)
            if not size:
                _put_qqq(MEMORY, address, LIST, 0, 0)
                return
            if size <= _TEMPLATE_ITEMS:
                items = bytearray(_U8_TEMPLATE[: size * VAL_BYTES])
            else:
                _check_room(size)
                items = bytearray(size * VAL_BYTES)
                items[::VAL_BYTES] = bytes([U8]) * size
            items[OF::VAL_BYTES] = value
            _put_qqq(MEMORY, address, LIST, size, keep(items))

        return lower

    def _lower_list(self, element: Lower) -> Lower:
        alloc = self.arena.alloc

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, list | tuple):
                raise TypeError(f"list takes a list, not {show(value)}")
            size = len(value)
            at = data = alloc(size * VAL_BYTES)
            for item in value:
                element(item, at)
                at += VAL_BYTES
            _put_qqq(MEMORY, address, LIST, size, data)

        return lower

    def _lower_tuple(self, elements: list[Lower]) -> Lower:
        alloc = self.arena.alloc
        size = len(elements)

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, list | tuple):
                raise TypeError(f"tuple takes a list, not {show(value)}")
            if len(value) != size:
                raise ValueError(f"tuple has {size} elements, not {len(value)}")
            at = data = alloc(size * VAL_BYTES)
            for element, item in zip(elements, value, strict=True):
                element(item, at)
                at += VAL_BYTES
            _put_qqq(MEMORY, address, TUPLE, size, data)

        return lower

    def _lower_record(self, fields: list[tuple[str, Lower]]) -> Lower:
        alloc = self.arena.alloc
        size = len(fields)
        pairs = self._names([name for name, _ in fields])
        known = {name for name, _ in fields}
        steps = [(name, lower, *pairs[name]) for name, lower in fields]

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, dict):
                raise TypeError(f"record takes a dict, not {show(value)}")
            if value.keys() != known:
                raise ValueError(_wrong_fields(known, value))
            at = data = alloc(size * ENTRY_BYTES)
            for name, field, name_bytes, name_address in steps:
                _put_qq(MEMORY, at, name_bytes, name_address)
                field(value[name], at + NAME_BYTES)
                at += ENTRY_BYTES
            _put_qqq(MEMORY, address, RECORD, size, data)

        return lower

    def _lower_option(self, payload: wt.ValType) -> Lower:
        alloc = self.arena.alloc
        inner = self.lower(payload)
        boxed = isinstance(payload, wt.OptionType)

        def lower(value: Any, address: int) -> None:
            if value is None:
                _put_qq(MEMORY, address, OPTION, 0)
                return
            at = alloc(VAL_BYTES)
            inner(_unbox(value) if boxed else value, at)
            _put_qq(MEMORY, address, OPTION, at)

        return lower

    def _lower_result(self, ty: wt.ResultType) -> Lower:
        alloc = self.arena.alloc
        ok = None if ty.ok is None else self.lower(ty.ok)
        err = None if ty.err is None else self.lower(ty.err)

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, dict) or len(value) != 1:
                raise TypeError(f'result takes {{"ok": v}} or {{"err": v}}, not {show(value)}')
            ((case, item),) = value.items()
            if case == "ok":
                inner = ok
            elif case == "err":
                inner = err
            else:
                raise ValueError(f"result has the cases ok and err, not {show(case)}")
            if inner is None:
                if item is not None:
                    raise TypeError(f"{case} of this result has no payload, not {show(item)}")
                at = 0
            else:
                at = alloc(VAL_BYTES)
                inner(item, at)
            _put_qqq(MEMORY, address, RESULT, case == "ok", at)

        return lower

    def _lower_variant(self, ty: wt.VariantType) -> Lower:
        alloc = self.arena.alloc
        pairs = self._names([name for name, _ in ty.cases])
        cases = {
            name: (None if payload is None else self.lower(payload), *pairs[name])
            for name, payload in ty.cases
        }

        def lower(value: Any, address: int) -> None:
            if isinstance(value, str):
                case, item, given = value, None, False
            elif isinstance(value, dict) and len(value) == 1:
                ((case, item),) = value.items()
                given = True
            else:
                raise TypeError(f'variant takes "case" or {{"case": v}}, not {show(value)}')
            found = cases.get(case)
            if found is None:
                raise ValueError(f"variant has no case {show(case)}; it has {', '.join(cases)}")
            inner, name_bytes, name_address = found
            if (inner is not None) != given:
                wanted = "a payload" if inner is not None else "no payload"
                raise TypeError(f"case {case} of this variant has {wanted}: {show(value)}")
            at = 0
            if inner is not None:
                at = alloc(VAL_BYTES)
                inner(item, at)
            _put_qqqq(MEMORY, address, VARIANT, name_bytes, name_address, at)

        return lower

    def _lower_enum(self, cases: list[str]) -> Lower:
        pairs = self._names(cases)

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, str):
                raise TypeError(f"enum takes a str, not {show(value)}")
            pair = pairs.get(value)
            if pair is None:
                raise ValueError(f"enum has no case {show(value)}; it has {', '.join(pairs)}")
            _put_qqq(MEMORY, address, ENUM, *pair)

        return lower

    def _lower_flags(self, cases: list[str]) -> Lower:
        alloc = self.arena.alloc
        pairs = self._names(cases)

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, list | tuple):
                raise TypeError(f"flags takes a list of names, not {show(value)}")
            at = data = alloc(len(value) * NAME_BYTES)
            for name in value:
                pair = pairs.get(name) if isinstance(name, str) else None
                if pair is None:
                    raise ValueError(f"flags has no {show(name)}; it has {', '.join(pairs)}")
                _put_qq(MEMORY, at, *pair)
                at += NAME_BYTES
            _put_qqq(MEMORY, address, FLAGS, len(value), data)

        return lower

    def _lower_resource(self, ty: wt.OwnType | wt.BorrowType) -> Lower:
        owned = isinstance(ty, wt.OwnType)
        number = self.resources.number(ty.ty)
        if number is None:
            raise Unsupported("resources that the component itself defines are not supported")
        from_rep = self.resources.from_rep
        type_number = number

        def lower(value: Any, address: int) -> None:
            if type(value) is not int:
                raise TypeError(f"a resource is given by its number, not {show(value)}")
            if not 0 <= value <= 0xFFFFFFFF:
                raise ValueError(f"a resource's number has 32 bits: {value}")
            _put_qq(MEMORY, address, RESOURCE, from_rep(owned, value, type_number))

        return lower

    def _names(self, names: list[str]) -> dict[str, tuple[int, int]]:
        """Names of fields or cases as C strings: name -> (size in bytes, address)."""
        pairs = {}
        for name in names:
            encoded = name.encode()
            buffer = ctypes.create_string_buffer(encoded)
            self._alive.append(buffer)
            pairs[name] = (len(encoded), ctypes.addressof(buffer))
        return pairs


def _lower_bool(value: Any, address: int) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"bool takes True or False, not {show(value)}")
    _put_qq(MEMORY, address, BOOL, value)


def _lower_char(value: Any, address: int) -> None:
    if not isinstance(value, str) or len(value) != 1:
        raise TypeError(f"char takes a str of one character, not {show(value)}")
    code = ord(value)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"char cannot be a surrogate: {show(value)}")
    _put_qq(MEMORY, address, CHAR, code)


def _lower_integer(kind: type[wt.ValType]) -> Lower:
    c_kind, code, lowest, highest = INTEGERS[kind]
    put = struct.Struct("=Q" + code).pack_into
    name = kind.__name__.lower()

    def lower(value: Any, address: int) -> None:
        if type(value) is not int:
            raise TypeError(f"{name} takes an int, not {show(value)}")
        if not lowest <= value <= highest:
            raise ValueError(f"{value} does not fit {name}")
        put(MEMORY, address, c_kind, value)

    return lower


def _lower_float(kind: type[wt.ValType]) -> Lower:
    c_kind, code = FLOATS[kind]
    put = struct.Struct("=Q" + code).pack_into
    name = kind.__name__.lower()

    def lower(value: Any, address: int) -> None:
        if type(value) is not float and type(value) is not int:
            raise TypeError(f"{name} takes a float, not {show(value)}")
        try:
            put(MEMORY, address, c_kind, value)
        except (OverflowError, struct.error) as error:
            raise ValueError(f"{value} does not fit {name}") from error

    return lower


def show(value: Any) -> str:
    """A value for an error message, cut so that a large one does not fill the log."""
    text = repr(value[:32] if isinstance(value, str | bytes | bytearray) else value)
    return f"{type(value).__name__} {text[:64]}"


def _unbox(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise TypeError(f"an option of an option takes None or [value], not {show(value)}")
    return value[0]


def _wrong_fields(known: set[str], value: dict[Any, Any]) -> str:
    missing = ", ".join(sorted(known - value.keys()))
    unknown = ", ".join(sorted(map(str, value.keys() - known)))
    parts = [f"lacks {missing}"] if missing else []
    return "record " + " and ".join(parts + ([f"has no {unknown}"] if unknown else []))


def _check_room(items: int) -> None:
    """Raise ValueError if the address space has no room for a byte list as C values.

    wasmtime copies the list into values of its own (32 bytes an item, twice for a host
    function's answer) and ends the process when that allocation fails.
    """
    try:
        mmap.mmap(-1, 3 * items * VAL_BYTES).close()
    except OSError as error:
        raise ValueError(
            f"a list<u8> of {items} bytes needs {3 * items * VAL_BYTES >> 20} MiB to cross the "
            "sandbox boundary, and this process's address space has no room for it"
        ) from error
