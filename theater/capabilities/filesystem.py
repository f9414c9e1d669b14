"""The handler `wasi:filesystem`. It links nothing: wasi:* always does; it grants directories."""

from __future__ import annotations

from theater import preopens, wasi
from theater.capabilities.capability import HandlerType

HANDLER = HandlerType(
    imports={},
    exports={},
    settings={"preopens": preopens.check},
    world=wasi.WORLD,
    has_world=preopens.grants_write,
    required=("preopens",),
    synonyms=dict.fromkeys(preopens.SYNONYMS, "preopens"),
)
