"""A holder that does nothing: says which process it is, then waits. Run as a script; arguments: FOLDER [MODE].

MODE `deaf` ignores SIGTERM; `brief` ends at once; `orphan` does not ask to die with its parent.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

folder, mode = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
if mode != "orphan":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(os.environ["SAMTYKKEBRO_PARENT_PID"]):
        sys.exit(70)
name = os.environ.get("SAMTYKKEBRO_HOLDER_ID") or os.environ["NAME"]
draft = folder / f".{name}"
draft.write_text(str(os.getpid()))
draft.rename(folder / name)
if mode != "brief":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    signal.sigwait({signal.SIGUSR1} if mode == "deaf" else {signal.SIGTERM})
    with (folder / "ended").open("a") as ended:
        ended.write(f"{name}\n")
