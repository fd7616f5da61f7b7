"""`python -m libs.cli.issuer --config FILE --host HOST --port PORT`: serves until told to stop."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from libs.cli.issuer.app import create_app
from libs.cli.issuer.config import LOOPBACK, read_config
from libs.common.observing.log import configure
from libs.common.running.process import become_child


def main(
    config: Annotated[Path, typer.Option()],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8100,
) -> None:
    """Serve the development issuer. Refuses outside the development profile, and beyond this machine."""
    if os.environ.get("SAMTYKKEBRO_PROFILE") != "development":
        raise SystemExit("the development issuer refuses to start: SAMTYKKEBRO_PROFILE is not development")
    if host not in LOOPBACK:
        raise SystemExit("the development issuer refuses to start: it serves this machine only")
    become_child()
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP, on loopback only, which was just checked
    configure(service="issuer", role="api", level="INFO")
    uvicorn.run(create_app(read_config(config)), host=host, port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    typer.run(main)
