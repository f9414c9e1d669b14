"""The handler `loop`: be called again and again, with other messages in between. For packages."""

from __future__ import annotations

from theater.calls import LOOP
from theater.capabilities.capability import HandlerType

HANDLER = HandlerType(
    description=(
        "Be called again and again, at `theater:simple/loop-client.loop`, each time with what the"
        " time before has left, as long as the actor likes; other messages come in between. Only"
        " packages of Pack's can."
    ),
    imports={},
    exports={},
    packages=frozenset({LOOP}),
)
