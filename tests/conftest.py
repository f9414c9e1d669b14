"""What every test may rely on, however the tests were started."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

# Some hundred processes of ours are started, and none shall compile our modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _survive(_number: int, _frame: Any) -> None:
    pass


# Under `nohup`, or in the background of a script, hang-ups or Ctrl-C are ignored, and with us by
# every program that a test starts and then signals. A handler is not inherited through exec: we
# live on as we were told to, and they begin as in a terminal.
for _signal in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _survive)
