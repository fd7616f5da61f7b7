"""A supervisor as a process of its own, to be killed: arguments CONSENT_URL STATE_FOLDER [COMMAND...].

Its child is `real_child`, or what COMMAND says.
"""

import asyncio
import os
import sys
from pathlib import Path

import structlog

from libs.cli.processes.children import Program, python
from libs.cli.supervising.holders import HolderCalls
from libs.cli.supervising.supervisor import Supervisor
from libs.common.http.client import ServiceClient


async def main(url: str, state: Path, *command: str) -> None:
    async with ServiceClient(url, bearer="supervisor") as client:
        supervisor = Supervisor(HolderCalls(client), state / "slots", log=structlog.get_logger())
        command = command or python("tests.cli.world.real_child", str(state / "pids"))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"]}
        supervisor.keep([Program("advis", command, environment, slot="supervisor/advis")])
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
