"""Wait beside a running system: for the log to grow, or for the system to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theater.cli.place import Place
from theater.errors import NotRunning

if TYPE_CHECKING:
    from theater.client.control import Control
    from theater.client.endpoint import Endpoint

LOOK_S = 2.0  # the log is looked at this often even if nobody says that it has grown


class Follower:
    def __init__(self, control: Control, endpoint: Endpoint) -> None:
        self._control = control
        self._endpoint = endpoint
        self.ended = False
        endpoint.watch()

    @classmethod
    def join(cls, place: Place) -> Follower | None:
        """None: nothing runs that could be followed."""
        from theater.client.endpoint import Endpoint
        from theater.supervisor.datadir import runtime_of

        try:
            control = place.control()
        except NotRunning:
            return None
        try:
            endpoint = Endpoint(runtime_of(place.data_directory()).clients)
        except NotRunning:
            control.close()
            return None
        try:
            return cls(control, endpoint)
        except BaseException:
            endpoint.close()
            control.close()
            raise

    def wait(self, longest_s: float = LOOK_S) -> None:
        """Until something was committed, the system has ended, or it is time to look."""
        self.ended = bool(self._endpoint.wait([self._control.fileno()], longest_s))

    def close(self) -> None:
        self._endpoint.close()
        self._control.close()
