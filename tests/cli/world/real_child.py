"""A holder that binds its life to its supervisor's as every service does. Argument: FOLDER."""

import os
import signal
import sys
from pathlib import Path

from libs.common.running.process import become_child

if __name__ == "__main__":
    become_child()
    (Path(sys.argv[1]) / os.environ["SAMTYKKEBRO_HOLDER_ID"]).write_text(str(os.getpid()))
    signal.pause()
