"""What a new project's things are called, by the name of its actor. Pure.

shop-2.clerk   the actor, by whose address others reach it, and files that may have any name
shop_2_clerk   a module of Python, a crate of Rust
Shop2Clerk     a class
shop-n2-clerk  an interface of WIT
"""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass

# What a file in the project must not be called: it would hide what the actor or its test imports.
_PYTHON = sys.stdlib_module_names | {
    "componentize_py_async_support",
    "componentize_py_runtime",
    "componentize_py_types",
    "conftest",
    "poll_loop",
    "pytest",
    "theater",
    "theater_actor",
    "theater_entry",
    "wit_world",
}
_RUST = {
    *("abstract", "alloc", "become", "box", "const", "core", "crate", "do", "dyn", "extern"),
    *("false", "final", "fn", "gen", "impl", "let", "loop", "macro", "match", "mod", "move"),
    *("mut", "override", "priv", "proc_macro", "pub", "ref", "self", "static", "std", "super"),
    *("test", "trait", "true", "type", "typeof", "unsafe", "unsized", "use", "virtual", "wasm32"),
    *("where", "wit_bindgen"),
}
_CLASSES = {  # that a template has
    *("Actor", "ChannelAccept", "Client", "Err", "Guest", "InProcess", "Message", "Ok", "Option"),
    *("Result", "Self", "Some", "State", "String", "Vec"),
}
_RESERVED = _PYTHON | _RUST | set(keyword.kwlist)


@dataclass(frozen=True, slots=True)
class Names:
    address: str
    module: str
    kind: str  # of a class

    @property
    def interface(self) -> str:
        """As WIT takes it: words that begin with a letter."""
        words = [word for word in re.split(r"[^a-z0-9]+", self.address) if word]
        return "-".join(word if word[0].isalpha() else f"n{word}" for word in words) or "actor"

    def replaced(self, text: str) -> str:
        """A template with its own names replaced by these."""
        found = {
            "my-actor": self.address,
            "my_actor": self.module,
            "MyActor": self.kind,
            "my-interface": self.interface,
        }
        return re.sub("|".join(found), lambda match: found[match[0]], text)


def names(address: str) -> Names:
    """`address`: one segment of an actor's address, see `addresses.check_segment`."""
    words = [word for word in re.split(r"[^a-z0-9]+", address) if word]
    module = "_".join(words)
    if not module or module[0].isdigit() or module in _RESERVED:
        module = f"actor_{module}" if module[:1].isdigit() else f"{module}_actor".lstrip("_")
    kind = "".join(word[0].upper() + word[1:] for word in words)
    if not kind or kind[0].isdigit() or kind in _CLASSES or keyword.iskeyword(kind):
        kind = f"The{kind or 'Actor'}"
    return Names(address, module, kind)


def suggestion(name: str) -> str | None:
    """An address that is like this name, which is none."""
    text = re.sub(r"[^a-z0-9_.]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())
    return text.strip("-.") or None
