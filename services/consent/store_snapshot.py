"""Reads all that decisions about some persons need, in one statement, so that it is one state of the database."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.database import Session, clock
from services.consent.domain.consent import Consent
from services.consent.domain.family import Custody
from services.consent.domain.snapshot import CaseFact, Coverage, OtherBasis, Person, Refusal, ScopeState, Snapshot
from services.consent.store_authorities import authority_from
from services.consent.store_catalogue import EMPTY, catalogue_of
from services.consent.store_consents import CONSENT_DOCUMENT, consent_from, identifier, moment, optional_moment

_PERSONS = f"""
SELECT clock_timestamp() AS now, r.revision, g.generation, c.borger_id, c.birth_date,
  c.died_on, c.moved_out_on, c.moved_in_on,
  (SELECT jsonb_agg(to_jsonb(u)) FROM custody u WHERE u.child = c.borger_id) AS custody,
  (SELECT jsonb_agg(to_jsonb(y)) FROM authority y
     WHERE y.borger_id = c.borger_id AND y.status = 'active') AS authorities,
  (SELECT jsonb_agg({CONSENT_DOCUMENT} ORDER BY k.consent_id)
     FROM consent k WHERE k.borger_id = c.borger_id AND k.status = 'active') AS consents,
  (SELECT jsonb_agg(to_jsonb(f)) FROM refusal f
     WHERE f.borger_id = c.borger_id AND f.lifted_at IS NULL) AS refusals,
  (SELECT jsonb_agg(to_jsonb(b)) FROM other_basis b WHERE b.borger_id = c.borger_id) AS other_bases,
  (SELECT jsonb_agg(to_jsonb(a)) FROM case_fact a WHERE a.borger_id = c.borger_id) AS cases,
  (SELECT jsonb_agg(to_jsonb(s) || jsonb_build_object('covered', (
       SELECT jsonb_agg(jsonb_build_array(v.holder_unit, v.category, v.since_epoch, v.since_at)) FROM coverage v
        WHERE v.borger_id = s.borger_id AND v.purpose = s.purpose AND v.recipient_unit = s.recipient_unit)))
     FROM scope s WHERE s.borger_id = c.borger_id) AS scopes
FROM catalogue_revision r CROSS JOIN fence_generation g
LEFT JOIN citizen c ON c.borger_id = ANY(%s)
"""  # noqa: S608 - a constant from this package, no input
_GIVEN = _PERSONS % "$1::uuid[]"
_WITH_HOLDERS = _PERSONS % "$1::uuid[] || ARRAY(SELECT h.holder FROM custody h WHERE h.child = ANY($1::uuid[]))"


async def load_snapshot(session: Session, persons: Collection[UUID], *, with_holders: bool = False) -> Snapshot:
    """Everything about the persons, and about their custody holders when `with_holders`, with today's catalogue.

    Who is not among the answer's persons is unknown. Includes each person's scopes with epochs and coverage.
    Only active consents are read. Without any reference data loaded, the catalogue is empty and every answer no.
    """
    return (await _load(session, _WITH_HOLDERS if with_holders else _GIVEN, persons))[0]


async def load_now(session: Session, persons: Collection[UUID]) -> tuple[Snapshot, datetime]:
    """The same, and the database's clock as it was read: what an opinion about now needs, where nothing is locked."""
    snapshot, now = await _load(session, _GIVEN, persons)
    return snapshot, now or await clock(session)


async def _load(session: Session, query: str, persons: Collection[UUID]) -> tuple[Snapshot, datetime | None]:
    rows = (await session.exec_driver_sql(query, (sorted(set(persons)),))).all()
    if not rows:
        return Snapshot(catalogue=EMPTY, persons={}), None
    catalogue = await catalogue_of(session, rows[0].revision)
    found = {person.borger_id: person for row in rows if row.borger_id is not None for person in [_person(row)]}
    return Snapshot(catalogue=catalogue, persons=found, generation=rows[0].generation), rows[0].now


def _person(row: Any) -> Person:
    return Person(
        borger_id=row.borger_id,
        birth_date=row.birth_date,
        died_on=row.died_on,
        moved_out_on=row.moved_out_on,
        moved_in_on=row.moved_in_on,
        custody=tuple(_custody(item) for item in _list(row.custody)),
        authorities=tuple(authority_from(item) for item in _list(row.authorities)),
        consents=_consents(row.consents),
        refusals=tuple(_refusal(item) for item in _list(row.refusals)),
        other_bases=tuple(_other_basis(item) for item in _list(row.other_bases)),
        cases=tuple(_case(item) for item in _list(row.cases)),
        scopes={(item["purpose"], item["recipient_unit"]): _scope(item) for item in _list(row.scopes)},
    )


def _list(document: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return document or []


def _consents(document: list[dict[str, Any]] | None) -> tuple[Consent, ...]:
    return tuple(consent_from(item) for item in _list(document))


def _custody(item: Mapping[str, Any]) -> Custody:
    return Custody(
        holder=UUID(item["holder"]),
        valid_from=moment(item["valid_from"]),
        valid_to=optional_moment(item["valid_to"]),
    )


def _refusal(item: Mapping[str, Any]) -> Refusal:
    return Refusal(
        refusal_id=identifier(item["refusal_id"]),
        purpose=item["purpose"],
        recipient_unit=item["recipient_unit"],
        recorded_at=moment(item["recorded_at"]),
        lifted_at=optional_moment(item["lifted_at"]),
    )


def _other_basis(item: Mapping[str, Any]) -> OtherBasis:
    return OtherBasis(
        basis_id=identifier(item["basis_id"]),
        holder_unit=item["holder_unit"],
        recipient_unit=item["recipient_unit"],
        category=item["category"],
        purpose=item["purpose"],
        legal_basis=item["legal_basis"],
        valid_from=moment(item["valid_from"]),
        valid_until=moment(item["valid_until"]),
    )


def _case(item: Mapping[str, Any]) -> CaseFact:
    return CaseFact(
        unit=item["unit"], opened_at=optional_moment(item["opened_at"]), closed_at=optional_moment(item["closed_at"])
    )


def _scope(item: Mapping[str, Any]) -> ScopeState:
    covered = {(holder, category): Coverage(epoch, moment(at)) for holder, category, epoch, at in item["covered"] or ()}
    return ScopeState(epoch=item["epoch"], covered_since=covered)
