"""`theater record`: a run in one file, with all that it takes to run it again elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from theater.cli.decisions import listed
from theater.cli.place import Place, Usage
from theater.cli.status import number_of, size
from theater.cli.terminal import Terminal
from theater.values import visible


def record(terminal: Terminal, place: Place, target: Path | None) -> None:
    from theater.errors import NotRunning
    from theater.runs.format import SUFFIX
    from theater.runs.pack import record as pack

    if place.is_run:
        raise Usage("--data names a recorded run already: copy the file")
    name = str(target) if target is not None else f"run{SUFFIX}"
    if not name.endswith(SUFFIX):
        raise Usage(f"a recorded run is called NAME{SUFFIX}, so that others know what it is")
    try:
        packed = pack(
            place.data_directory(), name, lambda text: terminal.progress(f"{text} ...", True)
        )
    except NotRunning:
        raise place.never_ran() from None
    counts = ((packed.actors, "actor"), (packed.events, "event"), (packed.components, "component"))
    told = ", ".join(number_of(*count) for count in counts)
    terminal.print(f"{visible(name)}: {size(packed.size)}, {told}")
    for hash, actors in packed.missing.items():
        terminal.error(
            f"the component {hash[:12]} is not kept, so {listed(actors)} cannot be replayed from"
            f" it; put its file into {os.path.join(place.data_directory(), 'components')} under"
            " its whole hash, and record again"
        )
