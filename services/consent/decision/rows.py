"""The rows that a snapshot is made of: what is selected of each table, and the value that it becomes.

One kind of row per table, all of them read by one statement (`store`). A row is the driver's own tuple, in the
order selected here; that is three times as fast as a document per person, and a decision is mostly its snapshot.
"""

from typing import Any
from uuid import UUID

from services.consent.citizens.authority import Authority, AuthorityKind, AuthorityStatus
from services.consent.citizens.family import Custody
from services.consent.consents.consent import Consent, Declaration, Status
from services.consent.decision.snapshot import CaseFact, Coverage, OtherBasis, Refusal, Restriction
from services.consent.model.acting import Method, Role

# Each: whom the row is about, its values, where it is from; the persons follow.
CITIZEN = "c.borger_id, ROW(c.birth_date, c.died_on, c.moved_out_on, c.moved_in_on) FROM citizen c WHERE c.borger_id"
CUSTODY = "u.child, ROW(u.holder, u.valid_from, u.valid_to) FROM custody u WHERE u.child"
AUTHORITY = """y.borger_id, ROW(y.authority_id, y.representative, y.kind, y.replaces, y.purposes, y.valid_from,
  y.valid_to, y.evidence, y.recorded_by, y.recorded_unit, y.recorded_at, y.confirmed_by, y.confirmed_at, y.ended_at,
  y.revision) FROM authority y WHERE y.status = 'active' AND y.borger_id"""
CONSENT = """k.borger_id, ROW(k.consent_id, k.purpose, k.purpose_version, k.holder_unit, k.recipient_unit, k.categories,
  k.legal_basis, k.text_code, k.text_version, k.text_sha256, k.language, k.requested_at, k.given_at, k.valid_from,
  k.valid_until, k.ceiling_until, k.revision, k.request_id, k.answer_by)
  FROM consent k WHERE k.status = 'active' AND k.borger_id"""
# OFFSET 0: one index look-up per consent, never a scan of all declarations, however many persons are asked about.
DECLARATION = """k.borger_id, ROW(d.declaration_id, d.giver, d.role, d.method, d.assurance, d.at, d.text_sha256,
  d.affirmed_special, d.authority_id, d.attested_by, d.attested_unit, d.confirmed_by, d.consent_id)
  FROM consent k CROSS JOIN LATERAL (SELECT * FROM declaration x WHERE x.consent_id = k.consent_id OFFSET 0) d
  WHERE k.status = 'active' AND k.borger_id"""
REFUSAL = """f.borger_id, ROW(f.refusal_id, f.purpose, f.recipient_unit, f.recorded_at, f.lifted_at)
  FROM refusal f WHERE f.lifted_at IS NULL AND f.borger_id"""
RESTRICTION = """t.borger_id, ROW(t.restriction_id, t.consent_id, t.recorded_at, t.lifted_at)
  FROM restriction t WHERE t.lifted_at IS NULL AND t.borger_id"""
OTHER_BASIS = """b.borger_id, ROW(b.basis_id, b.holder_unit, b.recipient_unit, b.category, b.purpose, b.legal_basis,
  b.valid_from, b.valid_until, b.emergency_reason IS NOT NULL) FROM other_basis b
  WHERE b.ended_at IS NULL AND b.borger_id"""
CASE = "a.borger_id, ROW(a.unit, a.opened_at, a.closed_at) FROM case_fact a WHERE a.borger_id"
SCOPE = "s.borger_id, ROW(s.purpose, s.recipient_unit, s.epoch) FROM scope s WHERE s.borger_id"
COVERAGE = """v.borger_id, ROW(v.purpose, v.recipient_unit, v.holder_unit, v.category, v.since_epoch, v.since_at)
  FROM coverage v WHERE v.borger_id"""

Row = tuple[Any, ...]
_ROLES = {str(role): role for role in Role}
_METHODS = {str(method): method for method in Method}


def custody_of(row: Row) -> Custody:
    """A custody holder of a child."""
    return Custody(*row)


def refusal_of(row: Row) -> Refusal:
    """A refusal that has not been lifted."""
    return Refusal(*row)


def restriction_of(row: Row) -> Restriction:
    """A restriction that has not been lifted."""
    return Restriction(*row)


def other_basis_of(row: Row) -> OtherBasis:
    """A recorded basis that needs no consent, and that nobody has ended."""
    return OtherBasis(*row)


def case_of(row: Row) -> CaseFact:
    """A unit's case about the person."""
    return CaseFact(*row)


def coverage_of(row: Row) -> Coverage:
    """Since when the pair in the row is covered."""
    return Coverage(row[4], row[5])


def authority_of(borger_id: UUID, row: Row) -> Authority:
    """An authority written down as in force."""
    return Authority(
        authority_id=row[0],
        borger_id=borger_id,
        representative=row[1],
        kind=AuthorityKind(row[2]),
        replaces=row[3],
        purposes=None if row[4] is None else frozenset(row[4]),
        valid_from=row[5],
        valid_to=row[6],
        evidence=row[7],
        recorded_by=row[8],
        recorded_unit=row[9],
        recorded_at=row[10],
        status=AuthorityStatus.ACTIVE,
        confirmed_by=row[11],
        confirmed_at=row[12],
        ended_at=row[13],
        revision=row[14],
    )


def consent_of(borger_id: UUID, row: Row, declarations: list[Row]) -> Consent:
    """A consent written down as active, with its declarations among all of the person's."""
    return Consent(
        consent_id=row[0],
        borger_id=borger_id,
        purpose=row[1],
        purpose_version=row[2],
        holder_unit=row[3],
        recipient_unit=row[4],
        categories=frozenset(row[5]),
        legal_basis=row[6],
        text_code=row[7],
        text_version=row[8],
        text_sha256=row[9],
        language=row[10],
        status=Status.ACTIVE,
        requested_at=row[11],
        given_at=row[12],
        valid_from=row[13],
        valid_until=row[14],
        ceiling_until=row[15],
        revision=row[16],
        request_id=row[17],
        answer_by=row[18],
        declarations=tuple(_declaration(item) for item in declarations if item[12] == row[0]),
    )


def _declaration(row: Row) -> Declaration:
    return Declaration(
        declaration_id=row[0],
        giver=row[1],
        role=_ROLES[row[2]],
        method=_METHODS[row[3]],
        assurance=row[4],
        at=row[5],
        text_sha256=row[6],
        affirmed_special=frozenset(row[7]),
        authority_id=row[8],
        attested_by=row[9],
        attested_unit=row[10],
        confirmed_by=row[11],
    )
