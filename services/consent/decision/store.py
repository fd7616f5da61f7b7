"""Reads all that decisions about some persons need, in one statement, so that it is one state of the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database.database import Session, clock, driver
from services.consent.catalogue.store import EMPTY, catalogue_of
from services.consent.decision.rows import (
    AUTHORITY,
    CASE,
    CITIZEN,
    CONSENT,
    COVERAGE,
    CUSTODY,
    DECLARATION,
    OTHER_BASIS,
    REFUSAL,
    RESTRICTION,
    SCOPE,
    Row,
    authority_of,
    case_of,
    consent_of,
    coverage_of,
    custody_of,
    other_basis_of,
    refusal_of,
    restriction_of,
)
from services.consent.decision.snapshot import Coverage, Person, ScopeState, Snapshot

_STATE = """
SELECT 0 AS kind, NULL::uuid AS about, ROW(clock_timestamp(), r.revision, g.generation) AS row
FROM catalogue_revision r CROSS JOIN fence_generation g
"""
_DECIDES = (CITIZEN, CUSTODY, AUTHORITY, CONSENT, DECLARATION, REFUSAL, RESTRICTION, OTHER_BASIS, CASE)
_FENCES = (SCOPE, COVERAGE)
_ORDERS = {CONSENT: " ORDER BY k.consent_id", DECLARATION: " ORDER BY d.at, d.declaration_id"}
# For one person a plain equality: PostgreSQL then keeps its plan, where a list of one is planned anew every time.
_ONE = "= ($1::uuid[])[1]"
_GIVEN = "= ANY($1::uuid[])"
_WITH_HOLDERS = (
    "= ANY(ARRAY(SELECT unnest($1::uuid[]) UNION SELECT h.holder FROM custody h WHERE h.child = ANY($1::uuid[])))"
)
Rows = dict[UUID, list[list[Row]]]  # person → the rows of each kind


def _statement(persons: str, kinds: tuple[str, ...]) -> str:
    """One row for the state, then the rows of every kind about these persons."""
    selects = (f"(SELECT {kind}, {what} {persons}{_ORDERS.get(what, '')})" for kind, what in enumerate(kinds, 1))
    return " UNION ALL ".join([_STATE, *selects])


_TO_DECIDE, _TO_DECIDE_ONE = _statement(_GIVEN, _DECIDES), _statement(_ONE, _DECIDES)
_TO_FENCE, _TO_FENCE_ONE = _statement(_GIVEN, _DECIDES + _FENCES), _statement(_ONE, _DECIDES + _FENCES)
_TO_FENCE_A_FAMILY = _statement(_WITH_HOLDERS, _DECIDES + _FENCES)


async def load_snapshot(session: Session, persons: Collection[UUID], *, with_holders: bool = False) -> Snapshot:
    """Everything about the persons, and about their custody holders when `with_holders`, with today's catalogue.

    Who is not among the answer's persons is unknown. Includes each person's scopes with epochs and coverage.
    Only active consents are read. Without any reference data loaded, the catalogue is empty and every answer no.
    """
    statement = _TO_FENCE_A_FAMILY if with_holders else _TO_FENCE_ONE if len(persons) == 1 else _TO_FENCE
    return (await _load(session, statement, persons))[0]


async def load_now(session: Session, persons: Collection[UUID]) -> tuple[Snapshot, datetime]:
    """What `decide` needs, and the database's clock as it was read: for an opinion, where nothing is locked.

    The persons have no scopes: an opinion permits nothing.
    """
    snapshot, now = await _load(session, _TO_DECIDE_ONE if len(persons) == 1 else _TO_DECIDE, persons)
    return snapshot, now or await clock(session)


async def _load(session: Session, statement: str, persons: Collection[UUID]) -> tuple[Snapshot, datetime | None]:
    rows = await driver(session).fetch(statement, list(set(persons)))
    found: Rows = {}
    state: tuple[datetime, int, int] | None = None
    for kind, about, row in rows:
        if kind == 0:
            state = row
            continue
        kinds = found.get(about)
        if kinds is None:
            kinds = found[about] = [[] for _ in range(len(_DECIDES) + len(_FENCES))]
        kinds[kind - 1].append(row)
    if state is None:
        return Snapshot(catalogue=EMPTY, persons={}), None
    now, revision, generation = state
    catalogue = await catalogue_of(session, revision)
    people = {borger_id: _person(borger_id, kinds) for borger_id, kinds in found.items() if kinds[0]}
    return Snapshot(catalogue=catalogue, persons=people, generation=generation), now


def _person(borger_id: UUID, kinds: list[list[Row]]) -> Person:
    (citizen,), custody, authorities, consents, declarations, *others = kinds
    refusals, restrictions, other_bases, cases, scopes, coverage = others
    return Person(
        borger_id=borger_id,
        birth_date=citizen[0],
        died_on=citizen[1],
        moved_out_on=citizen[2],
        moved_in_on=citizen[3],
        custody=tuple(map(custody_of, custody)),
        authorities=tuple(authority_of(borger_id, row) for row in authorities),
        consents=tuple(consent_of(borger_id, row, declarations) for row in consents),
        refusals=tuple(map(refusal_of, refusals)),
        restrictions=tuple(map(restriction_of, restrictions)),
        other_bases=tuple(map(other_basis_of, other_bases)),
        cases=tuple(map(case_of, cases)),
        scopes=_scopes(scopes, coverage) if scopes else {},
    )


def _scopes(scopes: list[Row], coverage: list[Row]) -> dict[tuple[str, str], ScopeState]:
    covered: dict[Any, dict[tuple[str, str], Coverage]] = {}
    for row in coverage:
        covered.setdefault(row[:2], {})[row[2:4]] = coverage_of(row)
    return {row[:2]: ScopeState(row[2], covered.get(row[:2], {})) for row in scopes}
