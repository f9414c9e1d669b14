"""Move values between Python and wasmtime's C values, one codec per function type.

wasmtime-py walks the type and converts byte lists element by element on every call. Here the
type is walked once per function and becomes closures that read and write the C structs
directly in memory:

    lower(value, address)    writes a `wasmtime_component_val_t` (32 bytes) at `address`
    lift(address) -> value   reads one, changes nothing

Ownership. What `lower` builds lies in an `Arena` of ours, never in wasmtime's heap: wasmtime
only borrows the arguments of a call, and a host function's answer is handed over with
`wasmtime_component_val_clone`. What wasmtime gives us is only read; a call's result is freed as
a whole with `wasmtime_component_val_delete`, a host function's arguments by wasmtime itself.

Plain values: bool, int, float, str (string, char, enum, variant without payload), bytes
(list<u8>), list (list, tuple), dict in field order (record), None or the value (option; of an
option: None or [value]), {"ok": v} or {"err": v} (result), {"case": v} (variant with payload),
list of names in declared order (flags), int (own and borrow of a host resource: its number).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Sequence
from typing import Any

from wasmtime import _ffi as ffi
from wasmtime import component as wc
from wasmtime.component import _types as wt

from theater.worker.cvalues import (
    ENTRY_BYTES,
    MEMORY,
    NAME_BYTES,
    OF,
    VAL_BYTES,
    Arena,
    Resources,
    val_clone,
)

Lower = Callable[[Any, int], None]
Lift = Callable[[int], Any]

string_at = ctypes.string_at
_read_i = struct.Struct("=I").unpack_from
_Q = struct.Struct("=Q")
_QQ = struct.Struct("=QQ")
_QQQ = struct.Struct("=QQQ")
_QQQQ = struct.Struct("=QQQQ")
_read_q = _Q.unpack_from
_read_qq = _QQ.unpack_from
_put_qq = _QQ.pack_into
_put_qqq = _QQQ.pack_into
_put_qqqq = _QQQQ.pack_into

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

# kind on the C side, struct format, lowest, highest
_INTEGERS: dict[type[wt.ValType], tuple[int, str, int, int]] = {
    wt.S8: (ffi.WASMTIME_COMPONENT_S8.value, "b", -(1 << 7), (1 << 7) - 1),
    wt.U8: (U8, "B", 0, (1 << 8) - 1),
    wt.S16: (ffi.WASMTIME_COMPONENT_S16.value, "h", -(1 << 15), (1 << 15) - 1),
    wt.U16: (ffi.WASMTIME_COMPONENT_U16.value, "H", 0, (1 << 16) - 1),
    wt.S32: (ffi.WASMTIME_COMPONENT_S32.value, "i", -(1 << 31), (1 << 31) - 1),
    wt.U32: (ffi.WASMTIME_COMPONENT_U32.value, "I", 0, (1 << 32) - 1),
    wt.S64: (ffi.WASMTIME_COMPONENT_S64.value, "q", -(1 << 63), (1 << 63) - 1),
    wt.U64: (ffi.WASMTIME_COMPONENT_U64.value, "Q", 0, (1 << 64) - 1),
}
_FLOATS: dict[type[wt.ValType], tuple[int, str]] = {
    wt.F32: (ffi.WASMTIME_COMPONENT_F32.value, "f"),
    wt.F64: (ffi.WASMTIME_COMPONENT_F64.value, "d"),
}

_TEMPLATE_ITEMS = 4096
_U8_TEMPLATE = (bytes([U8]) + bytes(VAL_BYTES - 1)) * _TEMPLATE_ITEMS
# Byte lists above this are lifted in pieces and checked against the address space first.
_LARGE_ITEMS = 256 * 1024


class Unsupported(Exception):
    """A type that this host cannot carry; the text says which and why."""


class Codec:
    """Lower and lift for one store: its arena and its resources."""

    def __init__(self) -> None:
        self.arena = Arena()
        self.resources = Resources()
        self._alive: list[Any] = []  # C strings that closures point to

    def function(self, ty: wc.FuncType) -> FunctionCodec:
        """Walk the type of one function. Raises Unsupported."""
        return FunctionCodec(self, ty)

    def reset(self) -> None:
        """Forget everything lowered since the last reset."""
        self.arena.reset()
        self.resources.reset()

    def _names(self, names: list[str]) -> dict[str, tuple[int, int]]:
        """Names of fields or cases as C strings: name -> (size in bytes, address)."""
        pairs = {}
        for name in names:
            encoded = name.encode()
            buffer = ctypes.create_string_buffer(encoded)
            self._alive.append(buffer)
            pairs[name] = (len(encoded), ctypes.addressof(buffer))
        return pairs

    # -- Python to C ---------------------------------------------------------------------------

    def lower(self, ty: wt.ValType) -> Lower:
        """The closure that writes a value of type `ty`; it raises TypeError or ValueError."""
        kind = type(ty)
        if kind in _INTEGERS:
            return _lower_integer(kind)
        if kind in _FLOATS:
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
                raise TypeError(f"string takes a str, not {_show(value)}")
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
                raise TypeError(f"list<u8> takes bytes, not {_show(value)}")
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
                raise TypeError(f"list takes a list, not {_show(value)}")
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
                raise TypeError(f"tuple takes a list, not {_show(value)}")
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
                raise TypeError(f"record takes a dict, not {_show(value)}")
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
                raise TypeError(f'result takes {{"ok": v}} or {{"err": v}}, not {_show(value)}')
            ((case, item),) = value.items()
            if case == "ok":
                inner = ok
            elif case == "err":
                inner = err
            else:
                raise ValueError(f"result has the cases ok and err, not {_show(case)}")
            if inner is None:
                if item is not None:
                    raise TypeError(f"{case} of this result has no payload, not {_show(item)}")
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
                raise TypeError(f'variant takes "case" or {{"case": v}}, not {_show(value)}')
            found = cases.get(case)
            if found is None:
                raise ValueError(f"variant has no case {_show(case)}; it has {', '.join(cases)}")
            inner, name_bytes, name_address = found
            if (inner is not None) != given:
                wanted = "a payload" if inner is not None else "no payload"
                raise TypeError(f"case {case} of this variant has {wanted}: {_show(value)}")
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
                raise TypeError(f"enum takes a str, not {_show(value)}")
            pair = pairs.get(value)
            if pair is None:
                raise ValueError(f"enum has no case {_show(value)}; it has {', '.join(pairs)}")
            _put_qqq(MEMORY, address, ENUM, *pair)

        return lower

    def _lower_flags(self, cases: list[str]) -> Lower:
        alloc = self.arena.alloc
        pairs = self._names(cases)

        def lower(value: Any, address: int) -> None:
            if not isinstance(value, list | tuple):
                raise TypeError(f"flags takes a list of names, not {_show(value)}")
            at = data = alloc(len(value) * NAME_BYTES)
            for name in value:
                pair = pairs.get(name) if isinstance(name, str) else None
                if pair is None:
                    raise ValueError(f"flags has no {_show(name)}; it has {', '.join(pairs)}")
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
                raise TypeError(f"a resource is given by its number, not {_show(value)}")
            if not 0 <= value <= 0xFFFFFFFF:
                raise ValueError(f"a resource's number has 32 bits: {value}")
            _put_qq(MEMORY, address, RESOURCE, from_rep(owned, value, type_number))

        return lower

    # -- C to Python ---------------------------------------------------------------------------

    def lift(self, ty: wt.ValType) -> Lift:
        """The closure that reads a value of type `ty`."""
        kind = type(ty)
        if kind in _INTEGERS:
            return _lift_number(_INTEGERS[kind][1])
        if kind in _FLOATS:
            return _lift_number(_FLOATS[kind][1])
        if kind is wt.Bool:
            return _lift_bool
        if kind is wt.Char:
            return _lift_char
        if kind is wt.String or isinstance(ty, wt.EnumType):
            return _lift_string
        if isinstance(ty, wt.ListType):
            element = ty.element
            if isinstance(element, wt.U8):
                return _lift_bytes
            return _lift_list(self.lift(element))
        if isinstance(ty, wt.TupleType):
            return _lift_tuple([self.lift(element) for element in ty.elements])
        if isinstance(ty, wt.RecordType):
            return _lift_record([(name, self.lift(field)) for name, field in ty.fields])
        if isinstance(ty, wt.OptionType):
            return _lift_option(self.lift(ty.payload), boxed=isinstance(ty.payload, wt.OptionType))
        if isinstance(ty, wt.ResultType):
            return _lift_result(
                None if ty.ok is None else self.lift(ty.ok),
                None if ty.err is None else self.lift(ty.err),
            )
        if isinstance(ty, wt.VariantType):
            return _lift_variant(
                {
                    name: None if payload is None else self.lift(payload)
                    for name, payload in ty.cases
                }
            )
        if isinstance(ty, wt.FlagsType):
            return _lift_flags(ty.names)
        if isinstance(ty, wt.OwnType | wt.BorrowType):
            if self.resources.number(ty.ty) is None:
                raise Unsupported("resources that the component itself defines are not supported")
            return self._lift_resource()
        raise Unsupported(f"values of type {kind.__name__} cannot cross the sandbox boundary here")

    def _lift_resource(self) -> Lift:
        to_rep = self.resources.to_rep

        def lift(address: int) -> Any:
            return to_rep(_read_q(MEMORY, address + OF)[0])

        return lift


class FunctionCodec:
    """One function's arguments and result, both ways. Closures are made when first needed."""

    def __init__(self, codec: Codec, ty: wc.FuncType) -> None:
        self._codec = codec
        params = ty.params
        self.names = [name for name, _ in params]
        self._types = [param for _, param in params]
        self._result = ty.result
        self.has_result = self._result is not None
        self._lower_args: list[Lower] | None = None
        self._lift_args: list[Lift] | None = None
        self._lower_result: Lower | None = None
        self._lift_result: Lift | None = None

    def prepare_call(self) -> None:
        """Make what a call from here into the guest needs. Raises Unsupported."""
        self._lower_args = [self._codec.lower(ty) for ty in self._types]
        if self._result is not None:
            self._lift_result = self._codec.lift(self._result)

    def prepare_answer(self) -> None:
        """Make what a call from the guest to here needs. Raises Unsupported."""
        self._lift_args = [self._codec.lift(ty) for ty in self._types]
        if self._result is not None:
            self._lower_result = self._codec.lower(self._result)

    def lower_args(self, args: Sequence[Any]) -> int:
        """Write the arguments of a call; the address of the array. TypeError, ValueError."""
        lowers = self._lower_args
        assert lowers is not None, "prepare_call comes first"
        if len(args) != len(lowers):
            raise TypeError(f"takes {len(lowers)} arguments, not {len(args)}")
        at = array = self._codec.arena.alloc(len(lowers) * VAL_BYTES)
        for index, lower in enumerate(lowers):
            try:
                lower(args[index], at)
            except TypeError as error:
                raise TypeError(f"argument `{self.names[index]}`: {error}") from error
            except ValueError as error:
                raise ValueError(f"argument `{self.names[index]}`: {error}") from error
            at += VAL_BYTES
        return array

    def lift_args(self, array: int) -> list[Any]:
        """Read the arguments that the guest gave to a host function."""
        lifts = self._lift_args
        assert lifts is not None, "prepare_answer comes first"
        args = []
        for lift in lifts:
            args.append(lift(array))
            array += VAL_BYTES
        return args

    def lower_result(self, value: Any, into: int) -> None:
        """Hand a host function's answer to wasmtime at `into`. TypeError, ValueError."""
        lower = self._lower_result
        if lower is None:
            if value is not None:
                raise TypeError(f"the function has no result, not {_show(value)}")
            return
        codec = self._codec
        codec.arena.reset()
        at = codec.arena.alloc(VAL_BYTES)
        lower(value, at)
        val_clone(at, into)

    def lift_result(self, address: int) -> Any:
        """Read the result of a call."""
        lift = self._lift_result
        return None if lift is None else lift(address)


# -- Scalars -------------------------------------------------------------------------------------


def _lower_bool(value: Any, address: int) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"bool takes True or False, not {_show(value)}")
    _put_qq(MEMORY, address, BOOL, value)


def _lower_char(value: Any, address: int) -> None:
    if not isinstance(value, str) or len(value) != 1:
        raise TypeError(f"char takes a str of one character, not {_show(value)}")
    code = ord(value)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"char cannot be a surrogate: {_show(value)}")
    _put_qq(MEMORY, address, CHAR, code)


def _lower_integer(kind: type[wt.ValType]) -> Lower:
    c_kind, code, lowest, highest = _INTEGERS[kind]
    put = struct.Struct("=Q" + code).pack_into
    name = kind.__name__.lower()

    def lower(value: Any, address: int) -> None:
        if type(value) is not int:
            raise TypeError(f"{name} takes an int, not {_show(value)}")
        if not lowest <= value <= highest:
            raise ValueError(f"{value} does not fit {name}")
        put(MEMORY, address, c_kind, value)

    return lower


def _lower_float(kind: type[wt.ValType]) -> Lower:
    c_kind, code = _FLOATS[kind]
    put = struct.Struct("=Q" + code).pack_into
    name = kind.__name__.lower()

    def lower(value: Any, address: int) -> None:
        if type(value) is not float and type(value) is not int:
            raise TypeError(f"{name} takes a float, not {_show(value)}")
        try:
            put(MEMORY, address, c_kind, value)
        except (OverflowError, struct.error) as error:
            raise ValueError(f"{value} does not fit {name}") from error

    return lower


def _lift_number(code: str) -> Lift:
    read = struct.Struct("=" + code).unpack_from

    def lift(address: int) -> Any:
        return read(MEMORY, address + OF)[0]

    return lift


def _lift_bool(address: int) -> Any:
    return MEMORY[address + OF] != 0


def _lift_char(address: int) -> Any:
    return chr(_read_i(MEMORY, address + OF)[0])


# -- Compounds, C to Python ----------------------------------------------------------------------


def _lift_string(address: int) -> Any:
    size, data = _read_qq(MEMORY, address + OF)
    return str(MEMORY[data : data + size], "utf-8") if size else ""


def _lift_bytes(address: int) -> Any:
    size, data = _read_qq(MEMORY, address + OF)
    if not size:
        return b""
    if size <= _LARGE_ITEMS:
        return string_at(data, size * VAL_BYTES)[OF::VAL_BYTES]
    pieces = []
    end = data + size * VAL_BYTES
    for start in range(data, end, _LARGE_ITEMS * VAL_BYTES):
        width = min(_LARGE_ITEMS * VAL_BYTES, end - start)
        pieces.append(string_at(start, width)[OF::VAL_BYTES])
    return b"".join(pieces)


def _lift_list(element: Lift) -> Lift:
    def lift(address: int) -> Any:
        size, data = _read_qq(MEMORY, address + OF)
        return [element(at) for at in range(data, data + size * VAL_BYTES, VAL_BYTES)]

    return lift


def _lift_tuple(elements: list[Lift]) -> Lift:
    offsets = [(element, index * VAL_BYTES) for index, element in enumerate(elements)]

    def lift(address: int) -> Any:
        data = _read_qq(MEMORY, address + OF)[1]
        return [element(data + offset) for element, offset in offsets]

    return lift


def _lift_record(fields: list[tuple[str, Lift]]) -> Lift:
    offsets = [
        (name, field, index * ENTRY_BYTES + NAME_BYTES)
        for index, (name, field) in enumerate(fields)
    ]

    def lift(address: int) -> Any:
        data = _read_qq(MEMORY, address + OF)[1]
        return {name: field(data + offset) for name, field, offset in offsets}

    return lift


def _lift_option(payload: Lift, boxed: bool) -> Lift:
    def lift(address: int) -> Any:
        at = _read_q(MEMORY, address + OF)[0]
        if not at:
            return None
        value = payload(at)
        return [value] if boxed else value

    return lift


def _lift_result(ok: Lift | None, err: Lift | None) -> Lift:
    def lift(address: int) -> Any:
        at = _read_q(MEMORY, address + OF + 8)[0]
        if MEMORY[address + OF]:
            return {"ok": None if ok is None else ok(at)}
        return {"err": None if err is None else err(at)}

    return lift


def _lift_variant(cases: dict[str, Lift | None]) -> Lift:
    def lift(address: int) -> Any:
        case = _lift_string(address)
        payload = cases[case]
        if payload is None:
            return case
        return {case: payload(_read_q(MEMORY, address + OF + NAME_BYTES)[0])}

    return lift


def _lift_flags(names: list[str]) -> Lift:
    def lift(address: int) -> Any:
        size, data = _read_qq(MEMORY, address + OF)
        given = {_lift_string(at - OF) for at in range(data, data + size * NAME_BYTES, NAME_BYTES)}
        return [name for name in names if name in given]

    return lift


# -- Errors --------------------------------------------------------------------------------------


def _show(value: Any) -> str:
    """A value for an error message, cut so that a large one does not fill the log."""
    text = repr(value[:32] if isinstance(value, str | bytes | bytearray) else value)
    return f"{type(value).__name__} {text[:64]}"


def _unbox(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise TypeError(f"an option of an option takes None or [value], not {_show(value)}")
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
