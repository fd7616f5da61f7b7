"""The servers that the fault run stands on and breaks: `python -m tests.faults.grounds FOLDER KAFKA_PORT ADVERTISED`.

A process of its own because starting a server blocks: while a broker comes back, nobody else may stand still. Commands
are lines on standard input (`pg-stop`, `pg-start`, `kafka-kill`, `kafka-start`), each answered by a JSON line; the end
of the input stops both servers. Kafka tells its clients the proxy's port (`ADVERTISED`) and
asks everybody to sign in, as an installation's does.
"""

import json
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from libs.cli.bus import kafka
from libs.cli.bus.kafka import KafkaServer
from libs.cli.installation.postgres import PostgresServer

_OWN_ADDRESS = "advertised.listeners={protocol}://{host}:{port}\n"
# A commit that does not wait for its record to be written is then lost by a crash, not just once in a while.
_SETTINGS = {"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}


class Grounds:
    """Both servers, and what may be done to them."""

    def __init__(self, folder: Path, kafka_port: int, advertised: int) -> None:
        self._pg_folder = folder / "postgres"
        self.postgres = PostgresServer.start(self._pg_folder, settings=_SETTINGS)
        assert kafka._PROPERTIES.count(_OWN_ADDRESS) == 1
        kafka._PROPERTIES = kafka._PROPERTIES.replace(
            _OWN_ADDRESS, f"advertised.listeners={{protocol}}://{{host}}:{advertised}\n"
        )
        _, controller = kafka._free_ports()
        kafka._free_ports = lambda: (kafka_port, controller)
        self.kafka = KafkaServer.start(folder / "kafka", secrets.token_urlsafe(24))
        self.bus_url = self.kafka.admin_url.replace(self.kafka.bootstrap_servers, f"{kafka.HOST}:{advertised}")

    def commands(self) -> dict[str, Callable[[], object]]:
        return {
            "pg-stop": lambda: self.postgres.stop("immediate"),
            "pg-start": self._start_postgres,
            "kafka-kill": self.kafka.kill,
            "kafka-start": self.kafka.restart,
        }

    def close(self) -> None:
        self.kafka.kill()
        self.postgres.stop("immediate")

    def _start_postgres(self) -> None:
        self.postgres = PostgresServer.start(self._pg_folder, settings=_SETTINGS)


def main() -> None:
    """Start, obey, stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us; the end of the input is for us
    folder, kafka_port, advertised = sys.argv[1:]
    grounds = Grounds(Path(folder), int(kafka_port), int(advertised))
    commands = grounds.commands()
    try:
        told = {"admin_url": grounds.postgres.admin_url, "socket": str(grounds.postgres.socket_dir)}
        _say(told | {"bus_url": grounds.bus_url})
        for line in sys.stdin:
            commands[line.strip()]()
            _say({})
    finally:
        grounds.close()


def _say(answer: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
