"""Makes the secrets that an installation needs, once, and hands them to processes as files.

Rules:
- A secret that exists is never replaced: a lost key is lost evidence, or a citizen who cannot be found again. Only the
  keys of page cursors are, when told to: what they seal is worth nothing after the list has been read.
- A file is whole or absent, mode 0600 in a folder of mode 0700. Containers run as several users who each read their
  own mounted file; for them the files are readable by all (0444) and the folder alone keeps others out.
- No secret is in an environment file, a compose file or a command line. A URL's password comes from the file that
  `<NAME>_PASSWORD_FILE` names.

- Parked records are sealed to the operator's public keys (`parking-keys.json`). The private half lies in `operator/`
  alone, may be kept elsewhere once made, and is never readable by containers.

Layout: `database_<role>` and `bus_<principal>` (one password each), `consent/`, `advis/`, `audit/` (each service's own
folder), `clients/<client id>` (client secrets), `operator/` (what no service gets).
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from joserfc.jwk import KeySet, OKPKey

from libs.cli.processes.state import private_dir, write_private
from libs.common.consuming.seal import new_keys, public_half
from libs.common.http import cursors

LOG_NAME = "samtykkebro.local/audit"  # the origin line of checkpoints; a real installation has its own name
PREFIX = "SAMTYKKEBRO_"
OPERATOR = "operator"
PARKING_KEYS = "parking-keys.json"
_KEY_BYTES = 32
_SERVICES = ("consent", "advis", "audit")
_PASSWORD_URLS = ("DATABASE", "MIGRATION_DATABASE", "BUS")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where the secrets of one installation lie."""

    folder: Path

    def service(self, name: str) -> Path:
        """The folder that a service gets as `SAMTYKKEBRO_SECRETS_DIR`."""
        return self.folder / name

    def password(self, role: str) -> str:
        """The database role's password, made on first use."""
        return _token(self.folder / f"database_{role}")

    def bus(self, principal: str) -> str:
        """The password of a principal of Kafka, made on first use."""
        return _token(self.folder / f"bus_{principal}")

    def once(self, name: str, text: str) -> None:
        """Keeps `text` in a file of this name, unless the file exists."""
        if not (self.folder / name).exists():
            write_private(self.folder / name, text.encode())

    def client(self, client_id: str) -> Path:
        """The file with a client's secret (`SAMTYKKEBRO_CLIENT_SECRET_FILE`), made on first use."""
        path = private_dir(self.folder / "clients") / client_id
        _token(path)
        return path

    def readable_by_containers(self) -> None:
        """Opens the files, not the folder, to every user: a mounted secret keeps the mode of its file."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.parent != self.folder / OPERATOR:
                path.chmod(0o444)

    @property
    def parking_keys(self) -> Path:
        """The public half of the operator's keys (`SAMTYKKEBRO_PARKING_KEYS_FILE`)."""
        return self.folder / PARKING_KEYS

    @property
    def operator_keys(self) -> Path:
        """The private half, with which parked records are opened and sent again."""
        return self.folder / OPERATOR / PARKING_KEYS

    def rotate_parking_keys(self) -> None:
        """Seal to new keys from the services' next start on; the older ones stay, for what was sealed to them.

        Raises OSError where the private half is not here.
        """
        kept = json.loads(self.operator_keys.read_text())
        self._write_parking_keys({"keys": [*kept["keys"], *new_keys()["keys"]]})

    def _write_parking_keys(self, document: Mapping[str, Any]) -> None:
        private_dir(self.operator_keys.parent)
        _write(self.operator_keys, document)
        _write(self.parking_keys, public_half(document))

    def make_parking_keys(self) -> None:
        """Make them once: where the public half exists, the operator may have taken the private one away."""
        if not self.parking_keys.exists():
            self._write_parking_keys(new_keys())


def prepare(folder: Path, *, log_name: str = LOG_NAME) -> Secrets:
    """Makes what is missing under `folder` of the three services' keys; leaves the rest alone.

    `log_name` is the audit log's name in its checkpoints, and cannot change once the log's key exists.
    """
    consent, audit = private_dir(folder / "consent"), private_dir(folder / "audit")
    private_dir(folder)
    for service in _SERVICES:
        _once(private_dir(folder / service) / cursors.KEYS_FILE, lambda: {"keys": [_key(cursors.KEY_BYTES)]})
    _once(consent / "cpr-keys.json", _cpr_keys)
    _once(consent / "receipt-keys.json", _receipt_keys)
    _once(audit / "log-key.json", lambda: {"name": log_name, "seed": _key()})
    _once(audit / "subject-keys.json", lambda: {"kek": _key(), "index": _key()})
    kept = Secrets(folder)
    kept.make_parking_keys()
    return kept


def rotate_cursor_keys(folder: Path) -> None:
    """Seals page cursors with new keys from each service's next start on; those of the keys before still open.

    Keys older than those are retired: a cursor that one of them sealed is refused. Raises OSError without the files.
    """
    for service in _SERVICES:
        path = folder / service / cursors.KEYS_FILE
        mode = path.stat().st_mode
        _write(path, {"keys": [_key(cursors.KEY_BYTES), json.loads(path.read_text())["keys"][0]]})
        path.chmod(mode)


def with_passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with each `<NAME>_PASSWORD_FILE` read and put into `<NAME>_URL`, NAME a database or the bus.

    Raises ValueError naming the variable when the URL is missing or already holds a password, OSError when the file
    cannot be read.
    """
    result = dict(environment)
    for name in _PASSWORD_URLS:
        file = result.pop(f"{PREFIX}{name}_PASSWORD_FILE", "")
        if file:
            variable = f"{PREFIX}{name}_URL"
            result[variable] = _with_password(variable, result.get(variable, ""), Path(file).read_text().strip())
    return result


def _with_password(variable: str, url: str, password: str) -> str:
    parts = urlsplit(url)
    if not parts.username or parts.password:
        raise ValueError(f"{variable} must name a user and hold no password, because its password comes from a file")
    location = f"{parts.username}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=location))


def _token(path: Path) -> str:
    if not path.exists():
        private_dir(path.parent)
        write_private(path, secrets.token_urlsafe(_KEY_BYTES).encode())
    return path.read_text().strip()


def _once(path: Path, make: Callable[[], object]) -> None:
    if not path.exists():
        _write(path, make())


def _write(path: Path, document: object) -> None:
    write_private(path, json.dumps(document, indent=1).encode() + b"\n")


def _key(size: int = _KEY_BYTES) -> str:
    return b64encode(secrets.token_bytes(size)).decode()


def _cpr_keys() -> object:
    return {"lookup": {"1": _key()}, "encryption": {"1": _key()}, "active": "1"}


def _receipt_keys() -> object:
    """A private JWK set (RFC 7517) of one Ed25519 key (RFC 8037) whose `kid` is its thumbprint (RFC 7638)."""
    key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
    return KeySet([key]).as_dict(private=True)
