"""The handler `wasi:filesystem`. It links nothing: wasi:* always does; it grants directories."""

from __future__ import annotations

from theater import preopens, wasi
from theater.capabilities.capability import HandlerType, Setting

HANDLER = HandlerType(
    description="Files in the directories that it names, and in no others. Without it an actor has"
    " no files.",
    imports={},
    exports={},
    settings={
        "preopens": Setting(
            preopens.check,
            "The directories, at most 16: host is one outside, relative to the manifest, guest the"
            " name by which the actor knows it; with write it may be changed, and all below it.",
            preopens.SCHEMA,
        )
    },
    world=wasi.WORLD,
    has_world=preopens.grants_write,
    required=("preopens",),
    synonyms=dict.fromkeys(preopens.SYNONYMS, "preopens"),
)
