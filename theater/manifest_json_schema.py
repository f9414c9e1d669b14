"""The JSON schema of a manifest, for editors: what `manifest_schema` and the handlers say. Pure.

Draft 7, which editors of TOML know best. It accepts every manifest that `check` accepts, and
refuses what can be refused by someone who sees no other file, compares no two values and counts
nothing: `check` says the rest. Keys stand in `properties` at the place where they may be written,
also where a condition (`if`) decides whether they may: editors complete from there.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from theater import capabilities
from theater.manifest_check import ACTOR_ONLY, SINGLE_ONLY
from theater.manifest_schema import (
    ChildTable,
    FragmentTable,
    SingleTable,
    SupervisorTable,
    SystemLimitsTable,
    SystemTable,
    Table,
)
from theater.manifest_values import JSON, Value
from theater.spec import AutoShutdown, Restart, Strategy

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
HANDLER = "handler"
NOTHING = False  # the schema that accepts nothing: of a key that may not be there


def manifest(installed: Iterable[str] = ()) -> Schema:
    """Of a whole manifest: of a system, or of one actor. `installed`: handlers of authors."""
    both = {**SystemTable.model_fields, **SingleTable.model_fields}
    schemas = _Schemas()
    schema = schemas.of_keys(both, "A manifest: a system of [[child]] tables, or one actor.")
    schema["allOf"] = [_kinds_of_manifest(schemas), *_between_supervisor_and_children()]
    return _whole(schema, "Theater manifest", schemas, installed)


def fragment(installed: Iterable[str] = ()) -> Schema:
    """Of a file of more children, for `theater add`."""
    schemas = _Schemas()
    schema = schemas.of_table(FragmentTable)
    schema["properties"]["child"]["minItems"] = 1
    return _whole(schema, "Theater fragment", schemas, installed)


def of_handler(name: str) -> Schema:
    """Of one `[[handler]]` table."""
    handler = capabilities.HANDLERS[name]
    properties = {"type": {"const": name}} | {
        key: {"description": setting.description, **setting.schema}
        for key, setting in handler.settings.items()
    }
    return {
        "title": name,
        "description": handler.description,
        "type": "object",
        "required": ["type", *handler.required],
        "additionalProperties": False,
        "properties": properties,
    }


def value_of(field: FieldInfo) -> Value[Any] | None:
    """The kind of value of a key; None: it is a table, or several."""
    marks = list(field.metadata)
    for each in (field.annotation, *get_args(field.annotation)):
        marks += getattr(each, "__metadata__", ())
    return next((mark for mark in marks if isinstance(mark, Value)), None)


def default_of(field: FieldInfo) -> Any:
    """What holds where a key is not said; None: nothing that can be said in a value."""
    said = field.json_schema_extra
    return said.get("default") if isinstance(said, dict) else None


def described(field: FieldInfo) -> str:
    value = value_of(field)
    return " ".join(filter(None, (field.description, value.note if value else "")))


def _whole(schema: Schema, title: str, schemas: _Schemas, installed: Iterable[str]) -> Schema:
    definitions = {"json": JSON, HANDLER: _handler(installed), **schemas.definitions}
    return {"$schema": DRAFT, "title": title, **schema, "definitions": definitions}


class _Schemas:
    """The schemas of tables. Each that a key refers to is defined once, under its model's name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def reference(self, table: type[Table]) -> Schema:
        name = table.__name__.removesuffix("Table").lower()
        if name not in self.definitions:
            self.definitions[name] = {}  # a table may be in itself
            self.definitions[name] = self.of_table(table)
        return {"$ref": f"#/definitions/{name}"}

    def of_table(self, table: type[Table]) -> Schema:
        schema = self.of_keys(table.model_fields, (table.__doc__ or "").split("\n")[0])
        conditions: list[Schema] = []
        if table is ChildTable:
            conditions = [_kinds_of_child(), *_between_keys_of_child()]
            conditions += _between_supervisor_and_children()
        elif table is SupervisorTable:
            conditions = [_kinds_of_supervisor()]
        return {**schema, "allOf": conditions} if conditions else schema

    def of_keys(self, fields: Mapping[str, FieldInfo], description: str) -> Schema:
        needed = [key for key, field in fields.items() if field.is_required()]
        rest = [key for key in fields if key not in needed]
        return {
            "description": description,
            "type": "object",
            "required": needed,
            "additionalProperties": False,
            "properties": {key: self._of_key(fields[key]) for key in (*needed, *rest)},
        }

    def _of_key(self, field: FieldInfo) -> Schema:
        value = value_of(field)
        schema = value.schema if value else self._of_type(field.annotation)
        if "$ref" in schema:
            schema = {"allOf": [schema]}  # in draft 7 nothing counts beside a reference
        schema = {"description": described(field), **schema}
        default = default_of(field)
        return schema if default is None else {**schema, "default": default}

    def _of_type(self, annotation: Any) -> Schema:
        origin, arguments = get_origin(annotation), get_args(annotation)
        for mark in getattr(annotation, "__metadata__", ()):
            if isinstance(mark, Value):
                return mark.schema
        if origin in (Union, types.UnionType):
            [annotation] = [each for each in arguments if each is not type(None)]
            return self._of_type(annotation)
        if origin is list:
            return {"type": "array", "items": self._of_type(arguments[0])}
        if origin is dict:
            names, values = map(self._of_type, arguments)
            return {"type": "object", "propertyNames": names, "additionalProperties": values}
        if annotation is Any:  # of handlers alone, whose keys are their own business
            return {"$ref": f"#/definitions/{HANDLER}"}
        assert issubclass(annotation, Table), f"no JSON schema is known of {annotation}"
        return self.reference(annotation)


def _handler(installed: Iterable[str]) -> Schema:
    """The keys of all types stand together, with what each is for, since editors complete from
    there. What they may be is said where the type is known: so a mistake is told at its key. What
    the settings of an author's handler are its class says, which is not read here."""
    told: dict[str, list[str]] = {}
    for name, handler in capabilities.HANDLERS.items():
        for key, setting in handler.settings.items():
            told.setdefault(key, []).append(f"{name}: {setting.description}")
    own = "One of your own is a class in Python, as in handlers.py:LLM or my_package.llm:LLM."
    return {
        "description": "A capability that an actor is granted.",
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {
                "description": f"Which capability it is. {own}",
                "type": "string",
                "anyOf": [
                    {"enum": [*capabilities.HANDLERS, *installed]},
                    {"pattern": "^(?!wasi:)[^:]+:[A-Za-z_][^:]*$"},
                ],
            },
            **{key: {"description": "\n\n".join(texts)} for key, texts in told.items()},
        },
        "allOf": [
            {"if": _has_value("type", [name]), "then": of_handler(name)}
            for name in capabilities.HANDLERS
        ],
    }


def _kinds_of_manifest(schemas: _Schemas) -> Schema:
    """A system has children or defaults; else what has a key of one actor is one."""
    system_limits = schemas.reference(SystemLimitsTable)
    return {
        "if": _has_any("child", "defaults"),
        "then": {"properties": {**_without(SINGLE_ONLY), "limits": system_limits}},
        "else": {
            "if": _has_any(*sorted(SINGLE_ONLY)),
            "then": {
                **_has_any("package", "build"),
                "properties": {
                    "supervisor": {
                        "properties": {
                            "strategy": {"not": {"const": Strategy.SIMPLE_ONE_FOR_ONE.value}},
                            "instances": NOTHING,
                        }
                    }
                },
                "allOf": [_significant_needs(["restart"])],
            },
            "else": {"required": ["supervisor"], "properties": {"limits": system_limits}},
        },
    }


def _kinds_of_child() -> Schema:
    return {
        "if": _has_any("supervisor", "child"),
        "then": {
            "properties": _without({*ACTOR_ONLY, "component", "build"}),
            "allOf": [_significant_needs(["restart"])],  # [defaults] are for actors
        },
        "else": _has_any("component", "build"),
    }


def _between_keys_of_child() -> list[Schema]:
    recycles = {"required": ["recycle_turns"], "properties": {"recycle_turns": {"minimum": 1}}}
    return [
        _significant_needs([]),
        {"if": recycles, "then": {"properties": {"on_restart": {"not": {"const": "init"}}}}},
    ]


def _kinds_of_supervisor() -> Schema:
    return {
        "if": _has_value("strategy", [Strategy.SIMPLE_ONE_FOR_ONE]),
        "then": {"properties": {"auto_shutdown": {"const": AutoShutdown.NEVER.value}}},
        "else": {"properties": {"instances": NOTHING}},
    }


def _between_supervisor_and_children() -> list[Schema]:
    """A pool has one template; significant children need an automatic shutdown."""
    pool = _has_value("strategy", [Strategy.SIMPLE_ONE_FOR_ONE])
    shuts_down = _has_value(
        "auto_shutdown", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT]
    )
    insignificant = {"properties": {"significant": {"const": False}}}
    return [
        {
            "if": _has("supervisor", pool),
            "then": {
                "required": ["child"],
                "properties": {"child": {"minItems": 1, "maxItems": 1}},
            },
        },
        {
            "if": {"not": _has("supervisor", shuts_down)},
            "then": {"properties": {"child": {"items": insignificant}}},
        },
    ]


def _significant_needs(keys: list[str]) -> Schema:
    """The end of a significant child means something only where it is not brought back."""
    restart = {"restart": {"not": {"const": Restart.PERMANENT.value}}}
    return {
        "if": _has("significant", {"const": True}),
        "then": {"required": keys, "properties": restart},
    }


def _has(key: str, schema: Schema) -> Schema:
    return {"required": [key], "properties": {key: schema}}


def _has_value(key: str, values: Iterable[str]) -> Schema:
    return _has(key, {"enum": [str(value) for value in values]})


def _has_any(*keys: str) -> Schema:
    return {"anyOf": [{"required": [key]} for key in keys]}


def _without(keys: Iterable[str]) -> dict[str, Any]:
    return {key: NOTHING for key in sorted(keys)}
