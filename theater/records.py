"""`dataclass` as in the standard library, for a quarter of the time that it takes to define one.

Every process of a system, and every command, defines some hundred of them as it starts; with the
standard library that was half of what a process does until it is there. That one compiles up to six
functions for each class; here it is the initialiser alone, and the others are functions that all
share. Used where many are defined at once; one or two in a file are as well off with the other.

What differs: there is no `order` and no `InitVar`, and what is frozen has slots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # what a type checker knows it as
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True
    ) -> Any:
        """A decorator, as `dataclasses.dataclass` is with these."""
        return lambda cls: _made(cls, frozen, slots, eq, repr)


_FACTORY = object()  # the argument was not given: call what makes the default


def _made(cls: type, frozen: bool, slots: bool, eq: bool, repr: bool) -> type:
    assert slots or not frozen
    documented = cls.__doc__
    cls.__doc__ = documented or ""  # else the standard library writes one out of the signature
    # It finds the fields, those of bases too, and compiles nothing.
    cls = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    cls.__doc__ = documented
    fields = dataclasses.fields(cls)
    methods: dict[str, Any] = {}
    if repr:
        methods["__repr__"] = _repr
    if "__init__" not in vars(cls):
        methods["__init__"] = _initialiser(cls, fields, frozen)
    if eq:
        values = _values([field.name for field in fields if field.compare])
        methods["__eq__"] = _equals(values)
        methods["__hash__"] = (lambda self: hash(values(self))) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
    own = vars(cls)
    for name, method in methods.items():
        if name not in own or own[name] is None:  # a class that has __eq__ has None for __hash__
            setattr(cls, name, method)
    return _with_slots(cls) if slots else cls


def _initialiser(cls: type, fields: tuple[Field[Any], ...], frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_FACTORY": _FACTORY, "_set": object.__setattr__}
    parameters, by_name, lines = ["self"], list[str](), list[str]()
    for field in fields:
        name = parameter = value = field.name
        if not field.init:
            assert field.default is field.default_factory is MISSING, "__post_init__ sets it"
            continue
        if field.default is not MISSING:
            known[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        elif field.default_factory is not MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameter = f"{name}=_FACTORY"
            value = f"_make_{name}() if {name} is _FACTORY else {name}"
        (by_name if field.kw_only else parameters).append(parameter)
        lines.append(f"  _set(self, {name!r}, {value})" if frozen else f"  self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    if by_name:
        parameters += ["*", *by_name]
    text = f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or ["  pass"])
    exec(text, known)
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gets the values of these from an object."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda self: ()
    one = attrgetter(names[0])
    return lambda self: (one(self),)


def _equals(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, Any], Any]:
    def equals(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    return equals


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _with_slots(cls: type) -> type:
    """Slots have to be there when a class is made, so another one is made."""
    names = [field.name for field in dataclasses.fields(cls)]
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
    body = {
        name: value
        for name, value in vars(cls).items()
        if name not in names and name not in ("__dict__", "__weakref__")
    }
    body["__slots__"] = tuple(name for name in names if name not in inherited)
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made
