"""Pages of the documentation that are made from the code, and what mkdocs needs to take them.

mkdocs calls `on_config`, `on_files` and `on_page_markdown` (see `hooks` in mkdocs.yml). The pages:
commands from the command line's own parsers, the manifest from its models, handlers from
`theater.capabilities`, the WIT as it is shipped.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from theater import capabilities, manifest_json_schema, manifest_schema
from theater.capabilities.capability import HandlerType
from theater.manifest_schema import Table
from theater.pack.interfaces import IMPORTS
from theater.quoting import toml

WIT = "theater-simple.wit"
MORE = "How to"  # the section that has the pages which the navigation leaves out
_OUTSIDE = re.compile(r"\[([^\]]*)\]\((\.\./[^)]*)\)")  # a link that leads out of docs/


def pages() -> dict[str, str]:
    """All that are made, by their path."""
    return {
        "reference/commands.md": commands(),
        "reference/manifest.md": manifest(),
        "reference/handlers.md": handlers(),
        "reference/wit.md": wit(),
    }


# What mkdocs calls


def on_config(config: Any) -> Any:
    """Pages that nobody has listed come at the end of a section, by their titles."""
    listed = set(_paths(config["nav"]))
    docs = Path(config["docs_dir"])
    rest = [
        path for path in sorted(docs.rglob("*.md")) if str(path.relative_to(docs)) not in listed
    ]
    [section] = [item[MORE] for item in config["nav"] if isinstance(item, dict) and MORE in item]
    section += [{title(path.read_text()): str(path.relative_to(docs))} for path in rest]
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """What a link shows, of one to a file of the repository: the site has none of them."""
    return _OUTSIDE.sub(r"\1", markdown)


def _paths(nav: Iterable[Any]) -> Iterator[str]:
    for item in nav:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            for below in item.values():
                yield from _paths([below] if isinstance(below, str) else below)


def title(text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    assert found is not None, "a page begins with its title"
    return found[1]


def table(*rows: Iterable[str]) -> list[str]:
    """A Markdown table; the first row is its head."""
    head, *body = ([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(cells)} |" for cells in lines]


# Commands


def commands() -> str:
    import typer.main

    from theater.cli.app import application

    root: Any = typer.main.get_command(application())
    lines = [
        "# Commands",
        "",
        f"{_sentence(root.help)} Each has `--help`. Exit codes: 0 ok, 1 failed, 2 usage, 3 bad"
        " manifest or component, 4 not running, 6 environment, 7 the log is damaged, nothing is"
        " proven, or a replay differs, 130 interrupted.",
        "",
        "Options before the command:",
        "",
        *_parameters(root),
    ]
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        if not below:
            lines += _command(f"theater {name}", command, "##")
            continue
        lines += ["", f"## theater {name}", "", _sentence(command.help)]
        for inner, each in below.items():
            lines += _command(f"theater {name} {inner}", each, "###")
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, heading: str) -> list[str]:
    """One command: what it is for, how it is called, and its examples."""
    usage = [name, *(_metavar(each) for each in command.params if _is_argument(each)), "[OPTIONS]"]
    text, _, examples = (command.epilog or "").partition("\b\n")
    lines = ["", f"{heading} {name}", "", _sentence(command.help), ""]
    lines += ["```text", " ".join(usage), "```", "", *_parameters(command)]
    if text.strip():
        lines += ["", _escaped(" ".join(text.split()))]
    if examples:
        shown = [line.strip() for line in examples.splitlines() if line.startswith("  ")]
        lines += ["", "```console", *(f"$ {line}" for line in shown), "```"]
    return lines


def _parameters(command: Any) -> list[str]:
    rows = []
    for each in command.params:
        if getattr(each, "hidden", False):
            continue
        if _is_argument(each):
            rows.append((f"`{_metavar(each)}`", _escaped(each.help or "")))
            continue
        names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        value = "" if each.is_flag else f" `{each.metavar or each.name.upper()}`"
        rows.append((f"{names}{value}", _escaped(each.help or "")))
    return table(("", ""), *rows) if rows else []


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    dots = "..." if argument.nargs == -1 else ""
    return f"{name}{dots}" if argument.required else f"[{name}]{dots}"


def _sentence(help: str | None) -> str:
    return _escaped(" ".join((help or "").split()))


def _escaped(text: str) -> str:
    """Text that is not Markdown."""
    parts = text.split("`")
    for index in range(0, len(parts), 2):
        parts[index] = re.sub(r"([*_<>\[\]])", r"\\\1", parts[index])
    return "`".join(parts)


# The manifest

# (heading, table, what of it is told in another place)
TABLES: list[tuple[str, type[Table], frozenset[str]]] = [
    ("The top of a system", manifest_schema.SystemTable, frozenset()),
    ("`[supervisor]`, `[child.supervisor]`", manifest_schema.SupervisorTable, frozenset()),
    ("`[supervisor.backoff]`", manifest_schema.BackoffTable, frozenset()),
    ("`[limits]` of a system", manifest_schema.SystemLimitsTable, frozenset()),
    ("`[[child]]`", manifest_schema.ChildTable, frozenset()),
    ("`[child.limits]`, `[defaults.limits]`", manifest_schema.LimitsTable, frozenset()),
    ("`[child.mailbox]`, `[defaults.mailbox]`", manifest_schema.MailboxTable, frozenset()),
    ("`[defaults]`", manifest_schema.DefaultsTable, frozenset()),
    (
        "A manifest of one actor",
        manifest_schema.SingleTable,
        frozenset(manifest_schema.ActorKeys.model_fields)
        | (manifest_schema.SystemTable.model_fields.keys() - {"name"}),
    ),
    ("A fragment", manifest_schema.FragmentTable, frozenset()),
]


def manifest() -> str:
    lines = [
        "# Manifest",
        "",
        "`theater.toml` says what runs and what it may touch; `theater check` judges it, and"
        " `theater schema` prints all of this for an editor. A key that is not here is an error.",
        "",
        'A **size** is a number of bytes, or text with a unit: `"64KiB"`, `"10MB"`. A'
        ' **duration** is a number of seconds, or text with a unit: `"500ms"`, `"2s"`,'
        ' `"1m"`, `"1h"`. Paths are relative to the manifest.',
    ]
    for heading, model, elsewhere in TABLES:
        lines += ["", f"## {heading}", "", _escaped((model.__doc__ or "").split("\n")[0]), ""]
        fields = {key: field for key, field in model.model_fields.items() if key not in elsewhere}
        needed = [key for key, field in fields.items() if field.is_required()]
        rows = [
            (
                f"`{key}`" + (", needed" if key in needed else ""),
                _value(fields[key]),
                _default(manifest_json_schema.default_of(fields[key])),
                _escaped(fields[key].description or ""),
            )
            for key in (*needed, *(key for key in fields if key not in needed))
        ]
        lines += table(("key", "value", "default", ""), *rows)
        for key, field in fields.items():
            kind = manifest_json_schema.value_of(field)
            lines += _keys_within(key, kind.schema if kind else {})
        if elsewhere:
            lines += [
                "",
                "And all other keys of a `[[child]]` that is an actor, of the top of a"
                " system but `child` and `defaults`, and of both `[limits]`, in one.",
            ]
    return "\n".join(lines) + "\n"


def _value(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        [annotation] = [each for each in get_args(annotation) if each is not type(None)]
    if get_origin(annotation) is dict:
        return "table of texts"
    if get_origin(annotation) is list:
        return "array of texts" if get_origin(get_args(annotation)[0]) is Annotated else "tables"
    kind = manifest_json_schema.value_of(field)
    return words(kind.schema) if kind else "table"


def words(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    match schema.get("type"):
        case "boolean":
            return "`true`, `false`"
        case "integer":
            return f"whole number, {schema['minimum']:,} to {schema['maximum']:,}"
        case "number":
            if (above := schema.get("exclusiveMinimum")) is not None:
                return f"number above {above:,}, up to {schema['maximum']:,}"
            return f"number, {schema['minimum']:,} to {schema['maximum']:,}"
        case "array":
            items = {"object": "tables", "string": "texts"}.get(schema["items"].get("type"))
            return f"array of {items}" if items else "array"
        case "string" | "object" as kind:
            return {"string": "text", "object": "table"}[kind]
    kinds = schema.get("anyOf", [])
    patterns = "".join(each.get("pattern", "") for each in kinds)
    if "KiB" in patterns:
        return "size"
    if "(ms|s|m|h)" in patterns:
        return ", or ".join([*(words(each) for each in kinds if "enum" in each), "duration"])
    return " or ".join(map(words, kinds)) or "anything"


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"`{value:_}`" if type(value) is int else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else toml(value)


# Handlers


def handlers() -> str:
    lines = [
        "# Handlers",
        "",
        "What an actor can be granted, each in a table `[[child.handler]]` (of one actor:"
        " `[[handler]]`) with its `type`. An interface that a component imports links only with its"
        " handler; `wasi:*` always links. What the functions do is in the [WIT](wit.md), or, of"
        " what is for packages alone, in [packages](../pack.md).",
    ]
    for name, handler in capabilities.HANDLERS.items():
        lines += ["", f"## {name}", "", _escaped(handler.description)]
        lines += _settings(handler)
        for what, interfaces in (("provides", handler.imports), ("may call", handler.exports)):
            for interface, functions in interfaces.items():
                lines += ["", f"It {what} `{interface}`:", "", "```text"]
                lines += [f"{function}: {text}" for function, text in functions.items()]
                lines += ["```"]
        for interface in sorted(handler.packages):
            lines += ["", f"It provides `{interface}`, to [packages](../pack.md) alone:", ""]
            lines += ["```text"]
            lines += [f"{function}: {text}" for function, text in IMPORTS[interface].items()]
            lines += ["```"]
        lines += _world(handler)
    return "\n".join(lines) + "\n"


def _settings(handler: HandlerType) -> list[str]:
    if not handler.settings:
        return ["", "It has no settings."]
    rows = [
        (
            f"`{key}`" + (", needed" if key in handler.required else ""),
            words(setting.schema),
            _default(setting.schema.get("default")),
            _escaped(setting.description),
        )
        for key, setting in handler.settings.items()
    ]
    lines = ["", *table(("setting", "value", "default", ""), *rows)]
    for key, setting in handler.settings.items():
        lines += _keys_within(key, setting.schema)
    return lines


def _keys_within(key: str, schema: Mapping[str, Any]) -> list[str]:
    """Of a value that may be a table, or an array of them: the keys of that."""
    found = [schema, schema.get("items", {}), *schema.get("anyOf", ())]
    tables = [each for each in found if isinstance(each, dict) and each.get("properties")]
    if not tables:
        return []
    [inner] = tables
    rows = [
        (
            f"`{name}`" + (", needed" if name in inner.get("required", ()) else ""),
            words(each),
            _default(each.get("default")),
            _escaped(each.get("description", "")),
        )
        for name, each in inner["properties"].items()
    ]
    return ["", f"In a table of `{key}`:", "", *table(("key", "value", "default", ""), *rows)]


def _world(handler: HandlerType) -> list[str]:
    if not handler.world:
        return []
    lines = [
        "",
        "World calls: each is done when it is committed that it is to be done. If the worker dies"
        " meanwhile, `error` tells the guest that nobody knows whether it was done, `again` does it"
        " once more with the same key.",
        "",
    ]
    rows = [
        (f"`{interface}`", f"`{function}`", outcome)
        for interface, functions in handler.world.items()
        for function, outcome in functions.items()
    ]
    return lines + table(("interface", "function", "interrupted"), *rows)


# The WIT


def wit() -> str:
    text = resources.files("theater").joinpath("wit", WIT).read_text()
    return (
        "# WIT\n\nWhat actors are built against, as it is shipped"
        f" (`theater/wit/{WIT}`).\n\n```text\n{text.rstrip()}\n```\n"
    )
