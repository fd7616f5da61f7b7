"""Every act and every ending has a receipt of one shape (P5); one that is missing, moved or somebody else's shows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from libs.cli.__main__ import app
from libs.cli.verifying.receipt import ReceiptError, UnreadableError, verify_receipt
from libs.cli.verifying.receipt_chain import verify_chain
from services.consent.consents.consent import Status
from services.consent.expiry.worker import sweep
from services.consent.grants.receipt import about_consent, end_rule
from services.consent.http.signing import Signer, fingerprint
from services.consent.model.calendar import add_months
from tests.consent.world.door import Citizen, Door
from tests.consent.world.examples import NOW, a_consent, a_signer
from tests.consent.world.people import number
from tests.consent.world.receipt_examples import GOLDEN, KINDS, WORDS, receipt_of

SHAPE = {
    *("conformsTo", "receipt_id", "issuer", "issued_at", "event", "sequence", "previous_receipt_sha256", "subject"),
    *("act", "record", "controller", "withdrawal", "supervisory_authority", "storage", "purpose", "recipient"),
    *("validity",),
}


# One shape


@pytest.mark.parametrize("kind", KINDS)
def test_the_receipt_of_every_kind_is_what_its_golden_file_says(kind: str):
    assert receipt_of(kind) == json.loads((GOLDEN / f"{kind}.json").read_text(encoding="utf-8"))


def test_there_is_no_golden_file_of_a_kind_that_is_gone():
    assert {path.stem for path in GOLDEN.iterdir()} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_same_shape_and_verifies_by_the_command_of_the_reader(kind: str):
    content = receipt_of(kind)
    assert set(content) >= SHAPE
    acts = {frozenset(receipt_of(other)["act"]) for other in KINDS}
    assert acts == {frozenset(content["act"])}
    assert verify_receipt(a_signer().receipt(content), a_signer().jwks()) == content


@pytest.mark.parametrize("kind", KINDS)
def test_no_receipt_names_an_employee(kind: str):
    assert "bif1234" not in json.dumps(receipt_of(kind))


def test_what_an_employee_heard_says_how_and_by_which_unit_it_was_attested():
    act = receipt_of("given_by_telephone")["act"]
    assert (act["method"], act["attested_unit"], act["assurance"]) == (
        "telephone_conversation",
        "BIF-JOBINDSATS",
        "High",
    )
    assert receipt_of("given")["act"]["attested_unit"] is None


@pytest.mark.parametrize(
    ("until", "ceiling", "rule"),
    [
        (add_months(NOW, 12), add_months(NOW, 12), "municipal_policy"),
        (add_months(NOW, 12), add_months(NOW, 6), "legal_ceiling"),
        (add_months(NOW, 6), add_months(NOW, 6), "legal_ceiling"),
        (add_months(NOW, 3), add_months(NOW, 12), "citizens_choice"),
    ],
)
def test_the_receipt_says_which_rule_set_the_end(until: datetime, ceiling: datetime, rule: str):
    consent = a_consent(requested_at=NOW, valid_until=until, ceiling_until=ceiling)
    assert end_rule(consent, WORDS) == rule


@pytest.mark.parametrize("status", list(Status))
def test_only_what_is_open_is_told_how_to_be_withdrawn(status: Status):
    about = about_consent(replace(a_consent(), status=status), WORDS)
    assert (about.path is not None) is (status in {Status.REQUESTED, Status.PENDING_SIGNATURE, Status.ACTIVE})


# Issued with the act


async def receipts_of(door: Door, who: Citizen) -> list[dict[str, Any]]:
    """Verified as one chain, oldest first: what the citizen can do without us."""
    page = await door.call("GET", f"/v1/citizens/{who.borger_id}/receipts?limit=200", who.token)
    keys = (await door.call("GET", "/.well-known/jwks.json")).json()
    return [dict(held.content) for held in verify_chain(page.text, keys)]


async def test_what_expires_has_a_receipt_by_the_service_and_only_one(door: Door):
    peter, state = await door.citizen(), door.app.state
    await door.grant(peter)
    await door.rows("UPDATE consent SET valid_until = now()")
    for _ in range(2):
        await sweep(state.database, state.settings, state.signer)
    given, expired = await receipts_of(door, peter)
    assert (given["event"], expired["event"], expired["status"]) == ("given", "expired", "expired")
    assert (expired["act"]["role"], expired["act"]["actor"]) == ("service", None)
    assert "path" not in expired["withdrawal"]


async def test_what_is_not_due_has_no_receipt_of_an_end(door: Door):
    peter, state = await door.citizen(), door.app.state
    await door.grant(peter)
    await sweep(state.database, state.settings, state.signer)
    assert [item["event"] for item in await receipts_of(door, peter)] == ["given"]


@pytest.mark.parametrize(
    ("kind", "reason", "facts"),
    [
        ("cpr.doedsfald", "death", {}),
        ("cpr.flytning_ud", "moved_out", {}),
        ("sof.sag.lukket", "case_closed", {"case_reference": "SOF-26-1"}),
    ],
)
async def test_what_a_fact_closes_has_a_receipt_each_with_its_reason(
    door: Door, kind: str, reason: str, facts: dict[str, str]
):
    peter, morten = await door.citizen(), await door.citizen()
    for who in (peter, morten):
        await door.grant(who)
    await door.happens(kind, peter.borger_id, **facts)
    given, closed = await receipts_of(door, peter)
    assert (given["event"], closed["event"], closed["act"]["reason"]) == ("given", "closed", reason)
    assert closed["act"]["epoch"] == given["act"]["epoch"] + 1
    assert [item["event"] for item in await receipts_of(door, morten)] == ["given"]


async def test_everything_that_one_fact_closes_is_in_the_chain(door: Door):
    peter = await door.citizen()
    for unit in ("SOF-BCV", "SOF-BCH", "SOF-RUSMIDDEL"):
        await door.grant(peter, recipient_unit=unit)
    await door.happens("cpr.doedsfald", peter.borger_id)
    assert [item["event"] for item in await receipts_of(door, peter)] == ["given"] * 3 + ["closed"] * 3


async def test_at_15_what_a_parent_declared_closes_with_a_receipt_in_the_childs_chain(door: Door):
    year = datetime.now(UTC).year
    child, parent = await door.citizen(number(date(year - 14, 1, 1))), await door.citizen()
    await door.happens("cpr.foraeldremyndighed_aendret", child.borger_id, custody_holders=(parent.borger_id,))
    wish = {
        "purpose": "FAMILIEINDSATS",
        "holder_unit": "SOF-BCH",
        "recipient_unit": "BIF-JOBINDSATS",
        "categories": ["BARN_SAG"],
        "affirmed_special": ["BARN_SAG"],
    }
    await door.grant(parent, child.borger_id, **wish)
    async with door.app.state.database.write() as session:
        await session.exec_driver_sql("UPDATE citizen SET birth_date = $1", (date(year - 15, 1, 1),))
    await door.happens("cpr.fylder_15", child.borger_id)
    given, closed = await receipts_of(door, child)
    assert (given["event"], given["act"]["role"]) == ("given", "custody_holder")
    assert (closed["event"], closed["act"]["reason"]) == ("closed", "age_changed")


async def test_a_renewal_names_what_it_replaces_and_a_narrower_one_says_so(door: Door):
    peter = await door.citizen()
    first = (await door.grant(peter)).json()["consent"]["consent_id"]
    second = (await door.grant(peter)).json()["consent"]["consent_id"]
    await door.grant(peter, categories=["FREMMOEDE"])
    given, renewed, narrowed = await receipts_of(door, peter)
    assert [item["event"] for item in (given, renewed, narrowed)] == ["given", "renewed", "narrowed"]
    assert "supersedes" not in given["record"]
    assert renewed["record"]["supersedes"] == [first]
    assert narrowed["record"]["supersedes"] == [second]


async def test_what_had_expired_unseen_is_proved_before_what_is_given_anew(door: Door):
    peter = await door.citizen()
    await door.grant(peter)
    await door.rows("UPDATE consent SET valid_until = now()")
    await door.grant(peter)
    assert [item["event"] for item in await receipts_of(door, peter)] == ["given", "expired", "given"]


async def test_refusing_and_lifting_have_receipts_and_a_repeated_lifting_the_same_one(door: Door):
    peter = await door.citizen()
    body = {"purpose": "KOORDINERING", "recipient_unit": "SOF-BCV"}
    path = f"/v1/citizens/{peter.borger_id}/refusals"
    refusal = (await door.call("POST", path, peter.token, json=body)).json()["refusal_id"]
    lifts = [await door.call("POST", f"{path}/{refusal}:lift", peter.token) for _ in range(2)]
    assert lifts[0].json() == lifts[1].json()
    refused, lifted = await receipts_of(door, peter)
    assert (refused["event"], lifted["event"]) == ("refused", "refusal_lifted")
    assert refused["record"]["refusal_id"] == lifted["record"]["refusal_id"] == refusal


# The chain


OTHER = Signer((OKPKey.generate_key("Ed25519", {"kid": "receipts-1"}),), "https://consent.test")


def chain_of(*kinds: str, signer: Signer | None = None, **changes: Any) -> list[str]:
    made: list[str] = []
    for sequence, kind in enumerate(kinds, start=1):
        previous = fingerprint(made[-1].encode()) if made else None
        content = {**receipt_of(kind), "sequence": sequence, "previous_receipt_sha256": previous, **changes}
        made.append((signer or a_signer()).receipt(content))
    return made


CHAIN = chain_of("given", "renewed", "withdrawn", "refused")


def page(receipts: Sequence[str]) -> str:
    return json.dumps({"items": [{"jws": receipt} for receipt in reversed(receipts)], "next": None})


@pytest.mark.parametrize("form", ["\n".join, page, json.dumps])
def test_a_whole_chain_holds_however_it_was_kept(form: Any):
    held = verify_chain(form(CHAIN), a_signer().jwks())
    assert [item.sequence for item in held] == [1, 2, 3, 4]


def _foreign() -> list[str]:
    content = {**receipt_of("withdrawn"), "previous_receipt_sha256": fingerprint(CHAIN[1].encode())}
    return [*CHAIN[:2], a_signer().receipt({**content, "subject": str(uuid4())}), CHAIN[3]]


def _broken() -> list[str]:
    """Number 2 was issued again, with another content, by whoever has the key."""
    content = {**receipt_of("withdrawn"), "sequence": 2, "previous_receipt_sha256": fingerprint(CHAIN[0].encode())}
    return [CHAIN[0], a_signer().receipt(content), *CHAIN[2:]]


@pytest.mark.parametrize(
    ("receipts", "named"),
    [
        ([*CHAIN[:1], *CHAIN[2:]], "number 2 is missing"),
        ([CHAIN[0], CHAIN[3]], "numbers 2 to 3 are missing"),
        (CHAIN[1:], "number 1 is missing"),
        ([CHAIN[0], CHAIN[2], CHAIN[1], CHAIN[3]], "there is a gap: number 2 is missing"),
        ([*CHAIN[:3], CHAIN[1], CHAIN[3]], "number 2 comes after number 3"),
        ([CHAIN[0], *CHAIN], "number 1 is there twice"),
        (_foreign(), "receipt number 3 is another citizen's"),
        (_broken(), "number 3 does not name the hash of number 2"),
        ([*CHAIN[:3], chain_of("given", "renewed", "withdrawn", "refused", signer=OTHER)[3]], "receipt 4 of the file"),
        ([*CHAIN[:3], CHAIN[3][:-6] + "AAAAAA"], "receipt 4 of the file does not hold"),
        ([a_signer().receipt({**receipt_of("given"), "sequence": 1})], "not the first of a chain"),
        ([a_signer().receipt({**receipt_of("given"), "sequence": True})], "has no number"),
    ],
)
def test_what_breaks_the_chain_is_named(receipts: list[str], named: str):
    with pytest.raises(ReceiptError, match=named):
        verify_chain("\n".join(receipts), a_signer().jwks())


@pytest.mark.parametrize("text", ["", "{}", '{"items": 1}', '{"items": [1]}', '{"items":', "[{}]"])
def test_what_is_no_chain_is_unreadable_and_not_called_broken(text: str):
    with pytest.raises(UnreadableError):
        verify_chain(text, a_signer().jwks())


def test_the_command_says_how_many_it_verified_and_ends_with_2_when_one_is_missing(tmp_path: Path):
    keys, file = tmp_path / "jwks.json", tmp_path / "chain.json"
    keys.write_text(json.dumps(a_signer().jwks()))
    arguments = ["receipt", "verify", "--chain", str(file), "--jwks", str(keys)]
    file.write_text(page(CHAIN))
    held = CliRunner().invoke(app, arguments)
    assert (held.exit_code, "4 receipts" in held.output) == (0, True), held.output
    file.write_text(page([CHAIN[0], *CHAIN[2:]]))
    broken = CliRunner().invoke(app, arguments)
    assert broken.exit_code == 2
    assert "number 2 is missing" in broken.output
