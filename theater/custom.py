"""What an author's handler is, as its class says: found, imported, described.

This runs the author's code: in a process that only reads it, and in the worker that is to call it.
Nobody else imports this module.

A class is named by `module:Class`, or by `file.py:Class` relative to the manifest, or by an entry
point of the group `theater.handlers`, whose value is the first.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from theater.handler import DECLARED, Declared, Effect, Key
from theater.hints import BadHint, Hints, WitType, hints_of, kebab, spelt, written
from theater.spec import Custom, Function

FUNCTIONS_MAX = 100
SOURCE_MAX = 64 * 1024 * 1024  # bytes of modules that are hashed
RESERVED = ("within",)  # names that mean something else on a handler
_OURS = ("theater", "wasi")  # namespaces of interfaces


class BadHandler(Exception):
    """It cannot be used. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Method:
    """One function of the interface, and how it is called."""

    name: str  # of the method
    parameters: dict[str, WitType]  # by their names in Python, in order
    key: str | None  # the parameter that takes the key
    result: WitType | None
    is_result: bool  # it can answer Err
    declared: Declared
    text: str  # its type, every name expanded
    said: str  # the same with the names that the interface gives to its types
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A class that has been read."""

    kind: type
    interface: str
    methods: dict[str, Method]  # by the names of functions
    settings: dict[str, str]  # name -> its kind, with a "?" if it may be missing
    named: dict[str, list[str]] = field(default_factory=dict)  # types that the interface names

    def functions(self) -> dict[str, Function]:
        return {
            name: Function(each.text, each.declared.effect, float(each.declared.timeout_s))
            for name, each in self.methods.items()
        }

    def described(self, found: str, directory: str) -> Custom:
        return Custom(
            found=found,
            directory=directory,
            interface=self.interface,
            functions=self.functions(),
            settings=self.settings,
            sha256=hashed(self.kind),
            wit=wit(self),
        )


# Finding


def load(found: str, directory: str) -> type:
    """Import the module, and return the class. BadHandler. `directory`: of the manifest; what lies
    there is found before what is installed, as for a script of Python's."""
    module_name, _, class_name = found.partition(":")
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = _import(module_name, directory)
    kind: Any = module
    for part in class_name.split("."):
        kind = getattr(kind, part, None)
    if isinstance(kind, type):
        return kind
    classes = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    there_are = ", ".join(classes[:10]) or "none"
    raise BadHandler(f"{module_name} has no class {class_name}; it has {there_are}")


def _import(name: str, directory: str) -> types.ModuleType:
    path = os.path.join(directory, name) if name.endswith(".py") else None
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name) if path is None else _import_file(path)
    except BadHandler:
        raise
    except ModuleNotFoundError as error:
        if path is None and error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise BadHandler(
                f"there is no module {error.name}, neither in {directory} nor installed"
            ) from None
        raise BadHandler(f"{name} cannot be imported: {error}") from None
    except BaseException as error:  # whatever an author's module does
        where = _line_of(error, name)
        raise BadHandler(
            f"{name} cannot be imported: {type(error).__name__}: {error}{where}"
        ) from None


def _import_file(path: str) -> types.ModuleType:
    """Under the name of the file, as if it had been imported by that."""
    name = os.path.basename(path).removesuffix(".py")
    if not os.path.isfile(path):
        raise BadHandler(f"there is no file {path}")
    if not name.isidentifier():
        raise BadHandler(f"{path}: its name is no name of a module; letters, digits and _ make one")
    if (known := sys.modules.get(name)) is not None:
        if (was := getattr(known, "__file__", None)) and os.path.realpath(was) == (
            os.path.realpath(path)
        ):
            return known
        raise BadHandler(f"{path}: another module is called {name}; give the file another name")
    if name in sys.stdlib_module_names:
        raise BadHandler(f"{path}: a module of Python's own is called {name}; rename the file")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _line_of(error: BaseException, name: str) -> str:
    """Where it was raised, in the innermost file that is not of the import machinery."""
    if isinstance(error, SyntaxError):
        return ""  # it says so itself
    found = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen") and file not in (__file__, importlib.__file__):
            found = f" ({os.path.basename(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def files(kind: type) -> Iterator[str]:
    """The files of the modules that were imported with it and are its author's: those that are
    found where its own module is found, in the same package or beside it."""
    own = sys.modules[kind.__module__]
    origin = os.path.realpath(getattr(own, "__file__", None) or "")
    if not origin:
        return
    place = _place(origin)
    package = kind.__module__.partition(".")[0]
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file:
            continue
        path = os.path.realpath(file)
        is_beside = _place(path) == place and place not in _INSTALLED
        if path == origin or name.partition(".")[0] == package or is_beside:
            yield path


def _place(path: str) -> str:
    """The directory of sys.path that a module was found in."""
    roots = (os.path.realpath(each) for each in sys.path if each)
    within = [each for each in roots if path.startswith(each.rstrip("/") + "/")]
    return max(within, key=len, default=os.path.dirname(path))


# Where many have put their modules: before the directory of a manifest joins them.
_INSTALLED = frozenset(os.path.realpath(each) for each in sys.path)


def hashed(kind: type) -> str:
    """Of all that `files` has: another one if the author has changed something."""
    digest = hashlib.sha256()
    size = 0
    for path in sorted(set(files(kind))):
        try:
            with open(path, "rb") as file:
                content = file.read(SOURCE_MAX)
        except OSError:
            continue
        size += len(content)
        if size > SOURCE_MAX:
            break
        digest.update(f"{os.path.basename(path)}\0{len(content)}\0".encode(errors="replace"))
        digest.update(content)
    return digest.hexdigest()


# Reading


def read(kind: type) -> Read:
    """What the class says. BadHandler names the method and the hint."""
    interface = _interface(kind)
    hints = Hints()
    methods: dict[str, Method] = {}
    for name, function in _public(kind).items():
        try:
            called = kebab(name)
            each = _method(kind, name, function, hints)
        except BadHint as error:
            raise BadHandler(f"{kind.__name__}.{name}: {error}") from None
        if called in methods:
            raise BadHandler(f"{kind.__name__}.{name}: {methods[called].name} is {called}, too")
        methods[called] = each
    if not methods:
        raise BadHandler(f"{kind.__name__} has no method whose name begins with a letter")
    if len(methods) > FUNCTIONS_MAX:
        raise BadHandler(f"{kind.__name__} has {len(methods)} methods; {FUNCTIONS_MAX} may be")
    return Read(kind, interface, methods, _settings(kind), hints.named)


def _interface(kind: type) -> str:
    name = getattr(kind, "interface", None)
    example = 'as in interface = "demo:llm/chat"'
    if not isinstance(name, str):
        raise BadHandler(f"{kind.__name__} does not say what it provides: {example}")
    namespace, _, rest = name.partition(":")
    package, _, last = rest.partition("/")
    try:
        if "@" in name:
            raise BadHint("leave out the version: whatever version is imported links")
        for part in (namespace, package, last):
            if kebab(part) != part:
                raise BadHint("its parts are words in kebab-case")
        if namespace in _OURS:
            raise BadHint(f"{namespace}: is not for handlers of one's own; take another word")
    except BadHint as error:
        raise BadHandler(f"{kind.__name__}.interface is {name!r}: {error}; {example}") from None
    return name


def _public(kind: type) -> dict[str, types.FunctionType]:
    """In the order of the class, those of its bases first."""
    found: dict[str, types.FunctionType] = {}
    for each in reversed(kind.__mro__[:-1]):
        for name, value in vars(each).items():
            if name.startswith("_") or not isinstance(
                value, types.FunctionType | staticmethod | classmethod
            ):
                continue
            if name in RESERVED:
                raise BadHandler(f"{kind.__name__}.{name}: the name is reserved; take another one")
            if not isinstance(value, types.FunctionType):
                raise BadHandler(
                    f"{kind.__name__}.{name}: a function of the interface is a plain method; begin"
                    f" the name with _ if it is none"
                )
            found[name] = value
    return found


def _method(kind: type, name: str, function: types.FunctionType, hints: Hints) -> Method:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise BadHint("is async, and a call is made and waited for; write it with def")
    if inspect.isgeneratorfunction(function):
        raise BadHint("yields; return a list")
    found = hints_of(function)
    parameters: dict[str, WitType] = {}
    key = None
    _, *signature = inspect.signature(function).parameters.values()
    for each in signature:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise BadHint(f"the parameter {each.name} takes any number, and WIT has no such thing")
        if each.name not in found:
            raise BadHint(f"the parameter {each.name} has no type hint")
        hint = found[each.name]
        if hint is Key:
            if key is not None:
                raise BadHint("takes two keys")
            key = each.name
            continue
        try:
            parameters[each.name] = hints.of(hint, kebab(each.name))
        except BadHint as error:
            raise BadHint(f"the parameter {each.name}: {error}") from None
    if "return" not in found:
        raise BadHint("does not say what it returns; write -> None if that is nothing")
    try:
        result, is_result = hints.returned(found["return"], f"{kebab(name)}-answer")
    except BadHint as error:
        raise BadHint(f"what it returns: {error}") from None
    declared = getattr(function, DECLARED, Declared())
    assert isinstance(declared, Declared)
    if declared.effect is Effect.READ and key is not None:
        raise BadHint("a read has no key: nothing is done twice")
    if declared.effect is Effect.ERROR and not is_result:
        inner = spelt(found["return"]) if result is not None else "None"
        raise BadHint(
            "changes something outside, as nothing else is said, and if the worker dies meanwhile"
            f" nobody knows whether it was done: the guest must be told. Write -> Result[{inner}],"
            ' or @read before it, or @world(interrupted="again")'
        )
    doc = inspect.getdoc(function) or ""
    return Method(
        name,
        parameters,
        key,
        result,
        is_result,
        declared,
        _text(parameters, result, is_result, by_name=False),
        _text(parameters, result, is_result, by_name=True),
        doc,
    )


def _text(
    parameters: dict[str, WitType], result: WitType | None, is_result: bool, by_name: bool
) -> str:
    def of(each: WitType) -> str:
        return each.name if by_name else each.text

    given = ", ".join(f"{written(kebab(name))}: {of(each)}" for name, each in parameters.items())
    if is_result:
        return f"func({given}) -> result<{'_' if result is None else of(result)}, string>"
    return f"func({given})" + ("" if result is None else f" -> {of(result)}")


# Settings: annotated attributes of the class


_KINDS = {bool: "bool", int: "int", float: "float", str: "str"}


def _settings(kind: type) -> dict[str, str]:
    try:
        hints = hints_of(kind)
    except BadHint as error:
        raise BadHandler(f"{kind.__name__}: {error}") from None
    found = {}
    for name, hint in hints.items():
        is_class_variable = hint is ClassVar or typing.get_origin(hint) is ClassVar
        if name.startswith("_") or name == "interface" or is_class_variable:
            continue
        if name == "type":
            raise BadHandler(
                f"{kind.__name__}.type: a manifest says by `type` whose settings it has"
            )
        text = _setting(hint)
        if text is None:
            raise BadHandler(
                f"{kind.__name__}.{name}: {spelt(hint)} is no type of a setting; there are bool,"
                " int, float, str, list[...] and dict[str, ...] of them, and T | None with a"
                " default; begin the name with _ if it is no setting"
            )
        found[name] = text + ("?" if hasattr(kind, name) else "")
    return found


def _setting(hint: Any) -> str | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        others = [each for each in arguments if each is not types.NoneType]
        return _setting(others[0]) if len(others) == 1 else None
    if origin is list:
        inner = _setting(arguments[0])
        return None if inner is None else f"list[{inner}]"
    if origin is dict and arguments[0] is str:
        inner = _setting(arguments[1])
        return None if inner is None else f"dict[{inner}]"
    return _KINDS.get(hint) if isinstance(hint, type) else None


# WIT


def wit(found: Read) -> str:
    """The interface as a file that authors of actors can have in their `wit` directory."""
    package, _, name = found.interface.partition("/")
    lines = [f"package {':'.join(map(written, package.split(':')))};", ""]
    lines += _comment(inspect.getdoc(found.kind) if found.kind.__doc__ else "", "")
    lines.append(f"interface {written(name)} {{")
    for type_name, declaration in found.named.items():
        head, *rest = declaration
        lines += [f"    {line}" for line in (head.replace("{}", written(type_name), 1), *rest)]
        lines.append("")
    for function, method in found.methods.items():
        lines += _comment(method.doc, "    ")
        lines.append(f"    {written(function)}: {method.said};")
    return "\n".join([*lines, "}", ""])


def _comment(doc: str | None, indent: str) -> list[str]:
    """The first paragraph."""
    first = (doc or "").strip().split("\n\n")[0]
    return [f"{indent}/// {line}".rstrip() for line in first.splitlines()]
