"""Which version of a package is installed beside this Python."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def version(package: str) -> str | None:
    """None: it is not there, or does not say.

    By the name of the directory beside it: importlib.metadata takes longer to import than most of
    what we start.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    for place in Path(found.origin).parents[1].glob(f"{package}-*.dist-info"):
        return place.name.removesuffix(".dist-info").partition("-")[2]
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
