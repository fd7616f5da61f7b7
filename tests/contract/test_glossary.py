"""Every word that the code and the API use is in the glossary, in both languages."""

from enum import StrEnum

import pytest

from libs.cli.installation.people import CLIENTS, STAFF
from openapi.glossary import words
from services.advis.notifications import doorbell, notification
from services.consent.attestations.attestation import AttestedStatus
from services.consent.citizens.authority import AuthorityStatus
from services.consent.consents.consent import Status
from services.consent.decision.epochs import PermitState
from services.consent.model.acting import Role
from tests.tree import ROOT

STATES: tuple[type[StrEnum], ...] = (
    Status, AuthorityStatus, AttestedStatus, PermitState, notification.State, doorbell.DoorbellState,
)  # fmt: skip
CODES = {code for listed in words().values() for word in listed for code in word.code}
ELSEWHERE = {"migrations", "__pycache__"}


@pytest.mark.parametrize("service", ["consent", "advis", "audit"])
def test_every_package_is_a_word(service: str) -> None:
    packages = {path.name for path in (ROOT / "services" / service).iterdir() if (path / "__init__.py").is_file()}
    assert packages - ELSEWHERE <= CODES


@pytest.mark.parametrize("states", STATES, ids=lambda states: f"{states.__module__}.{states.__name__}")
def test_every_state_is_a_word(states: type[StrEnum]) -> None:
    assert {str(state) for state in states} <= CODES


def test_every_role_is_a_word() -> None:
    assert {one.role for one in (*STAFF, *CLIENTS)} <= CODES
    assert {str(role) for role in Role} <= CODES | {"self"}


def test_a_word_has_one_place() -> None:
    english = [word.en for listed in words().values() for word in listed]
    assert len(english) == len(set(english))
