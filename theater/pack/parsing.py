"""Read types from text: signatures as handlers declare them, and files of Pact. Pure.

    func(name: string, body: list<u8>) -> result<_, string>
    record{hash: string}, record point{x: f64, y: f64}, variant{none, some(u8)}, enum{a, b}

Of Pact there is what interfaces are written in: `@package`, types and their aliases, `exports`.
A map is a list of pairs and a set a list, since that is what they are sent as; a type that mentions
itself, by its name or as `self`, is `self` there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from theater.pack.types import (
    BY_NAME,
    DEPTH_MAX,
    SELF,
    UNIT,
    VALUE,
    BadType,
    FlagsType,
    Function,
    Interface,
    ListType,
    NamedType,
    OptionType,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)
from theater.quoting import quoted

TEXT_MAX = 1 << 20  # characters
EXPANDED_MAX = 100_000  # types, with every name written out where it is used

_TOKEN = re.compile(
    r'\s+|//[^\n]*|(->|"[^"\n]*"|%?[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*|[<>(){}:,;=@.])'
)


def parse_type(text: str) -> Type:
    """BadType says where."""
    parser = _Parser(text)
    found = parser.type()
    parser.finish()
    return found


def parse_function(text: str) -> Function:
    parser = _Parser(text)
    found = parser.function()
    parser.finish()
    return found


def parse_interface(text: str) -> Interface:
    """The one interface that a file of Pact has, with what it exports."""
    parser = _Parser(text)
    found = parser.interface()
    parser.finish()
    return found


@dataclass(slots=True)
class _Parser:
    text: str
    names: dict[str, int] = field(default_factory=dict)  # of types -> where the definition is
    open: list[str] = field(default_factory=list)  # names that are being expanded
    tokens: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    at: int = 0
    depth: int = 0
    made: int = 0

    def __post_init__(self) -> None:
        if len(self.text) > TEXT_MAX:
            raise BadType(f"a text of more than {TEXT_MAX:,} characters")
        place = 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                raise BadType(f"{self._line(place)}{quoted(self.text[place : place + 20])}?")
            if match[1]:
                self.tokens.append(match[1])
                self.places.append(place)
            place = match.end()
        self.tokens.append("")
        self.places.append(len(self.text))

    def _line(self, place: int) -> str:
        line = self.text.count("\n", 0, place) + 1
        return f"line {line}: " if "\n" in self.text.strip() else ""

    # Tokens

    def wrong(self, wanted: str) -> BadType:
        token = self.tokens[self.at]
        found = quoted(token) if token else "the end"
        return BadType(f"{self._line(self.places[self.at])}found {found}; expected {wanted}")

    def next(self) -> str:
        token = self.tokens[self.at]
        self.at += bool(token)
        return token

    def accept(self, token: str) -> bool:
        if self.tokens[self.at] != token:
            return False
        self.at += 1
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.wrong(token)

    def name(self, what: str = "a name") -> str:
        token = self.tokens[self.at]
        if not token or not (token[0].isalpha() or token[0] in "_%"):
            raise self.wrong(what)
        self.at += 1
        return token.removeprefix("%")

    def separator(self) -> None:
        """Between parts in braces; Pact does without, too."""
        while self.accept(",") or self.accept(";"):
            pass

    def finish(self) -> None:
        if self.tokens[self.at]:
            raise self.wrong("the end")

    # Types

    def type(self) -> Type:
        self.depth += 1
        self.made += 1
        if self.depth > DEPTH_MAX:
            raise BadType(f"a type is nested more than {DEPTH_MAX} deep")
        if self.made > EXPANDED_MAX:
            raise BadType(f"more than {EXPANDED_MAX:,} types, with all names written out")
        found = self._type()
        self.depth -= 1
        return found

    def _type(self) -> Type:
        name = self.name("a type")
        if name in ("record", "variant", "enum", "flags"):
            has_name = self.tokens[self.at] not in ("{", "") and self.tokens[self.at + 1] == "{"
            if has_name or self.tokens[self.at] == "{":
                return self.body(name, self.name() if has_name else "")
        if self.tokens[self.at] == "<":
            return self._constructed(name)
        match name:
            case "value":
                return VALUE
            case "self":
                return SELF
            case "tuple":
                return UNIT
            case "result":
                return ResultType(None, None)
        return BY_NAME.get(name) or self._expanded(name)

    def _constructed(self, name: str) -> Type:
        self.expect("<")
        if name == "result":
            ok, err = self._side(), None
            if self.accept(","):
                err = self._side()
            self.expect(">")
            return ResultType(ok, err)
        items: list[Type] = []
        while not self.accept(">"):
            items.append(self.type())
            if not self.accept(",") and self.tokens[self.at] != ">":
                raise self.wrong(", or >")
        match name, items:
            case "tuple", _:
                return TupleType(tuple(items))
            case "list" | "set", [element]:
                return ListType(element)
            case "option", [content]:
                return OptionType(content)
            case "map", [key, value]:
                return ListType(TupleType((key, value)))
        self.at -= 1
        raise self.wrong(f"what {quoted(name)} takes between < and >")

    def _side(self) -> Type | None:
        return None if self.accept("_") else self.type()

    def body(self, kind: str, name: str) -> Type:
        """What a record, a variant, an enum or flags have between braces."""
        self.expect("{")
        parts: dict[str, Type | None] = {}
        while not self.accept("}"):
            part = self.name()
            if part in parts:
                raise BadType(f"{quoted(part)} stands twice in a {kind}")
            parts[part] = None
            if kind == "record":
                self.expect(":")
                parts[part] = self.type()
            elif kind == "variant" and self.accept("("):
                parts[part] = self.type()
                self.expect(")")
            self.separator()
        if kind == "record":
            return RecordType(name, tuple((key, each) for key, each in parts.items() if each))
        if kind == "flags":
            if len(parts) > 64:
                raise BadType(f"flags have 64 bits, and not {len(parts)}")
            return FlagsType(name, tuple(parts))
        return VariantType(name, tuple(parts.items()))

    def _expanded(self, name: str) -> Type:
        """What a name stands for, read anew at every place: what it mentions depends on where."""
        if name not in self.names:
            return NamedType(name)
        if name in self.open:
            return SELF
        self.open.append(name)
        back, self.at = self.at, self.names[name]
        kind = self.next()
        self.name()
        if kind == "type":
            self.expect("=")
            found = self.type()
        else:
            found = self.body(kind, name)
        self.open.pop()
        self.at = back
        return found

    # Functions and interfaces

    def function(self) -> Function:
        if not self.accept("func"):
            raise self.wrong("func")
        self.expect("(")
        params: list[tuple[str, Type]] = []
        while not self.accept(")"):
            name = self.name("a parameter")
            self.expect(":")
            params.append((name, self.type()))
            if not self.accept(",") and self.tokens[self.at] != ")":
                raise self.wrong(", or )")
        result = self.type() if self.accept("->") else None
        return Function(tuple(params), result)

    def interface(self) -> Interface:
        if not self.accept("interface"):
            raise self.wrong("interface")
        own = self.name()
        package = ""
        functions: dict[str, Function] = {}
        self.expect("{")
        exports: list[int] = []
        while not self.accept("}"):
            match self.tokens[self.at]:
                case "@":
                    key, value = self._annotation()
                    package = value if key == "package" else package
                case "exports":
                    exports.append(self.at)
                    self._skip_block()
                case "type" | "record" | "variant" | "enum" | "flags" as kind:
                    start = self.at
                    self.next()
                    self.names.setdefault(self.name(), start)
                    if kind == "type":
                        self.expect("=")
                        self._skip_type()
                    else:
                        self._skip_block()
                case "imports" | "use":
                    self._skip_block()
                case "," | ";":
                    self.next()
                case _:
                    raise self.wrong("a type, or exports")
        end = self.at
        for self.at in exports:
            functions |= self._exports()
        self.at = end
        return Interface(f"{package}/{own}" if package else own, functions)

    def _annotation(self) -> tuple[str, str]:
        self.expect("@")
        key = self.name()
        if self.accept(":"):
            self.type()
        self.expect("=")
        value = self.next()
        if not value.startswith('"'):
            self.at -= 1
            raise self.wrong("a text in quotes")
        return key, value[1:-1]

    def _exports(self) -> dict[str, Function]:
        self.expect("exports")
        self.expect("{")
        found: dict[str, Function] = {}
        while not self.accept("}"):
            name = self.name()
            self.expect(":")
            found[name] = self.function()
            self.separator()
        return found

    def _skip_block(self) -> None:
        """To the end of the next braces; they are read when all names are known."""
        depth = 0
        while True:
            token = self.next()
            depth += (token == "{") - (token == "}")
            if not token:
                raise self.wrong("}")
            if token == "}" and depth == 0:
                return

    def _skip_type(self) -> None:
        names, self.names = self.names, {}
        self.type()
        self.names = names
