"""The people and systems that the development issuer knows: the four stories of the case descriptions (001:469-507).

Rules:
- Nobody here is real. A citizen's number is made when a state folder is first used: a replacement number (the day of
  birth plus 60, R28) in a century in which nobody alive was born, or for the child in this one.
- No secret and no number stands in this file; both are kept in the state folder, readable by its owner alone.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from libs.cli.installation.secrets import Secrets
from libs.cli.processes.state import write_private

PAGES: Final = "pages"  # the public client through which citizens and staff sign in
PAGES_AUDIENCES: Final = ("consent", "advis", "audit")
REDIRECT_URI: Final = "http://127.0.0.1/signed-in"
SUPERVISOR: Final = "supervisor"
TOKEN_SECONDS: Final = 900
_REPLACEMENT_DAY: Final = 60
_SEVENTH_DIGIT: Final = 5  # years 58–99 are then 18xx, years 00–57 are 20xx (R28)
_ADULT_YEAR: Final = 58
_CHILD_AGE_YEARS: Final = 8  # below every age limit that lets a child sign alone


@dataclass(frozen=True, slots=True)
class Citizen:
    """Someone who signs in and has a number."""

    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Employee:
    """A member of staff. `username` is the employee id; `unit` is where they act now (R37), None for no unit.

    `host_unit`: a bridge-builder's other unit; they name the one of the two that they act in, each time.
    """

    username: str
    role: str
    unit: str | None = None
    host_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A system with credentials of its own: its one role, the services it may speak to, the unit it acts for."""

    client_id: str
    role: str
    audiences: tuple[str, ...]
    unit: str | None = None


CITIZENS = (
    Citizen("morten", "Morten"),
    Citizen("hans", "Hans"),
    Citizen("guelcan", "Gülcan"),
    Citizen("mehmet", "Mehmet"),
    Citizen("peter", "Peter"),
)
CHILD = "child"  # Gülcan's and Mehmet's; has a number, and nothing to sign in with
STAFF = (
    Employee("bif101", "caseworker", "BIF-JOBINDSATS"),
    Employee("bif102", "caseworker", "BIF-JOBINDSATS"),
    Employee("bif201", "caseworker", "BIF-KANTEN"),
    Employee("bif301", "caseworker", "BIF-YDELSE"),
    Employee("sof101", "caseworker", "SOF-BCV"),
    Employee("sof201", "caseworker", "SOF-BOLIGRAADGIVNING"),
    Employee("sof301", "caseworker", "SOF-RUSMIDDEL"),
    Employee("sof302", "caseworker", "SOF-RUSMIDDEL"),
    Employee("kk101", "citizen_service", "SOF-BCV"),
    Employee("kk102", "citizen_service", "SOF-BCV"),
    Employee("bro101", "bridge_builder", "BIF-JOBINDSATS", "SOF-BCV"),
    Employee("dpo1", "dpo"),
    Employee("adm1", "administrator"),  # meets no citizen's data, and is never the DPO (R40)
)
CLIENTS = (
    *(Client(name, "source_system", ("consent", "advis")) for name in ("fasit", "domus", "dubu", "cpr")),
    Client("jobindsats-system", "recipient_system", ("consent", "advis"), "BIF-JOBINDSATS"),
    Client("kanten-system", "recipient_system", ("consent", "advis"), "BIF-KANTEN"),
    Client("bcv-system", "recipient_system", ("consent", "advis"), "SOF-BCV"),
    Client("gateway", "gateway", ("consent",)),
    Client("advis", "advis", ("consent",)),
    Client(SUPERVISOR, "supervisor", ("consent",)),
    Client("operator", "operator", ("consent", "advis", "audit")),
    Client("auditor", "auditor", ("audit",)),
)


def numbers(file: Path) -> Mapping[str, str]:
    """Every number by username, and the child's under CHILD; made once, then kept in `file` (0600)."""
    if not file.exists():
        made = {citizen.username: _replacement_number(_ADULT_YEAR + place) for place, citizen in enumerate(CITIZENS)}
        made[CHILD] = _replacement_number((datetime.now(UTC).year - _CHILD_AGE_YEARS) % 100)
        write_private(file, orjson.dumps(made))
    kept: Mapping[str, str] = orjson.loads(file.read_bytes())
    return kept


def issuer_config(issuer_url: str, key_file: Path, known: Mapping[str, str], kept: Secrets) -> dict[str, Any]:
    """The development issuer's configuration. It holds numbers and secrets: keep it 0600."""
    return {
        "issuer": issuer_url,
        "key_file": str(key_file),
        "token_seconds": TOKEN_SECONDS,
        "clients": [_pages(), *(_client(client, kept.client(client.client_id)) for client in CLIENTS)],
        "users": [*(_citizen(citizen, known) for citizen in CITIZENS), *(_employee(person) for person in STAFF)],
    }


def _pages() -> dict[str, Any]:
    return {
        "client_id": PAGES,
        "client_secret": None,
        "roles": [],
        "unit": None,
        "audiences": list(PAGES_AUDIENCES),
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code"],
    }


def _client(client: Client, secret: Path) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "client_secret": secret.read_text().strip(),
        "roles": [client.role],
        "unit": client.unit,
        "audiences": list(client.audiences),
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
    }


def _citizen(citizen: Citizen, known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "username": citizen.username,
        "display_name": f"{citizen.display_name} (citizen)",
        "roles": ["citizen"],
        "unit": None,
        "cpr": known[citizen.username],
        "assurance": "Substantial",
    }


def _employee(person: Employee) -> dict[str, Any]:
    return {
        "username": person.username,
        "display_name": f"{person.username} ({person.unit or person.role})",
        "roles": [person.role],
        "unit": person.unit,
        "host_unit": person.host_unit,
        "cpr": None,
        "assurance": "Substantial",
    }


def _replacement_number(year: int) -> str:
    day, month, serial = 1 + secrets.randbelow(28), 1 + secrets.randbelow(12), secrets.randbelow(1000)
    return f"{day + _REPLACEMENT_DAY:02}{month:02}{year:02}{_SEVENTH_DIGIT}{serial:03}"
