"""Start of the notary: `python -m theater.notary SOCKET_FD ROOT_PID DATA_DIRECTORY [at-rest]`.

Exit status 0: what is committed is signed; 7: the log is not the one that was signed before;
1: it could not be done, and may be the next time. What it complains of goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
import traceback

from theater import linux
from theater.errors import Damaged, TheaterError
from theater.notary.notary import newest_head
from theater.paths import DataPaths

NICE = 10  # nobody waits for it; what actors do comes first


def main() -> int:
    root_pid = int(sys.argv[2])
    if not linux.begin_helper(root_pid, "theater-notary"):
        return 1
    linux.not_dumpable()  # it holds the private key
    os.nice(NICE)
    try:
        newest_head(DataPaths(sys.argv[3]), time.time(), at_rest=sys.argv[4:] == ["at-rest"])
    except TheaterError as error:
        linux.complain(f"notary: {error}")
        return Damaged.exit_code if isinstance(error, Damaged) else 1
    except Exception:
        linux.complain(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
