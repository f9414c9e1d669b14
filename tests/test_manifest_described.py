"""Every key of a manifest and every handler says what it is for, and what holds without it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_manifest_hostile import to_toml
from tests.test_manifest_problems import ACTOR
from theater import capabilities, manifest, manifest_json_schema
from theater.manifest_schema import (
    BackoffTable,
    ChildTable,
    DefaultsTable,
    FragmentTable,
    LimitsTable,
    MailboxTable,
    SingleLimitsTable,
    SingleTable,
    SupervisorTable,
    SystemLimitsTable,
    SystemTable,
    Table,
)

TABLES: list[type[Table]] = [
    *(BackoffTable, ChildTable, DefaultsTable, FragmentTable, LimitsTable, MailboxTable),
    *(SingleLimitsTable, SingleTable, SupervisorTable, SystemLimitsTable, SystemTable),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_says_what_it_is_for(table: type[Table]) -> None:
    for key, field in table.model_fields.items():
        text = manifest_json_schema.described(field)
        assert len(text) > 10 and text.endswith("."), f"{key}: {text}"


@pytest.mark.parametrize("name", capabilities.HANDLERS)
def test_every_handler_and_its_settings_say_what_they_are_for(name: str) -> None:
    """A new handler gives a description, and for each setting one and a schema: see `Setting`."""
    handler = capabilities.HANDLERS[name]
    assert handler.description.endswith("."), name
    for key, setting in handler.settings.items():
        assert setting.description.endswith("."), f"{name}: {key}"
        assert {"type", "anyOf", "enum"} & setting.schema.keys(), f"{name}: {key} has no type"
        if "default" in setting.schema:
            assert setting.check(setting.schema["default"]) == [], f"{name}: {key}"
    assert set(handler.required) <= handler.settings.keys()


@pytest.mark.parametrize("table", [DefaultsTable, LimitsTable, MailboxTable, SupervisorTable])
def test_a_default_that_is_written_down_changes_nothing(table: type[Table]) -> None:
    where = {
        DefaultsTable: "defaults",
        LimitsTable: "defaults.limits",
        MailboxTable: "defaults.mailbox",
        SupervisorTable: "supervisor",
    }[table]
    defaults = {
        key: default
        for key, field in table.model_fields.items()
        if (default := manifest_json_schema.default_of(field)) is not None and key != "instances"
    }
    assert defaults
    lines = "".join(f"{key} = {to_toml(_plain(value))}\n" for key, value in defaults.items())
    said = manifest.parse(f"{ACTOR}[{where}]\n{lines}", "m.toml")
    assert said == manifest.parse(ACTOR, "m.toml")


def test_so_it_is_with_the_defaults_of_a_system_and_of_a_backoff() -> None:
    top = [SystemTable.model_fields[key] for key in ("durability", "head_every")]
    durability, head_every = map(manifest_json_schema.default_of, top)
    limits = {
        key: manifest_json_schema.default_of(field)
        for key, field in SystemLimitsTable.model_fields.items()
    }
    assert None not in limits.values()
    text = f'durability = "{durability}"\nhead_every = {head_every}\n{ACTOR}[limits]\n'
    text += "".join(f"{key} = {to_toml(value)}\n" for key, value in limits.items())
    assert manifest.parse(text, "m.toml") == manifest.parse(ACTOR, "m.toml")
    backoff = {
        key: default
        for key, field in BackoffTable.model_fields.items()
        if (default := manifest_json_schema.default_of(field)) is not None
    }
    base = f"{ACTOR}[supervisor.backoff]\nbase = 1\n"
    text = base + "".join(f"{key} = {value}\n" for key, value in backoff.items())
    assert manifest.parse(text, "m.toml") == manifest.parse(base, "m.toml")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
