"""Chapter six: a bridge-builder asks and gets a part; and a word said on the telephone counts as the citizen's own."""

import secrets
from datetime import UTC, datetime

from libs.cli.demo.actors import JSON, Citizen
from libs.cli.demo.stage import Stage

PURPOSE, HOLDER, RECIPIENT = "KOORDINERING", "SOF-BCV", "BIF-JOBINDSATS"
ASKED, GIVEN = ("BOLIG", "FREMMOEDE"), ("BOLIG",)


async def a_request(stage: Stage) -> None:
    """U8: who asks sees a state; the citizen says yes to a part of it, and a no would have been one call as well."""
    citizen, asker = stage.citizens["morten"], stage.staff["bro101"]
    wanted = {
        "citizen": {"borger_id": citizen.borger_id},
        "purpose": PURPOSE,
        "items": [{"holder_unit": HOLDER, "recipient_unit": RECIPIENT, "categories": [*ASKED]}],
        "language": "da",
    }
    unit = {"acting_unit": RECIPIENT}
    asked = await asker.post("/v1/requests", wanted, status=201, idempotency_key=_key(), **unit)
    answered = await _answer(citizen, asked["request_id"])
    seen = await asker.get(f"/v1/requests/{asked['request_id']}", **unit)
    (given,) = answered["items"]
    citizen.receipts.append(given["receipt"])
    in_part = (seen["state"], seen["reply"]) == ("answered", "given_in_part")
    stage.check("P7", in_part and given["consent"]["categories"] == [*GIVEN], "a part of what was asked for was given")
    silent = seen["items"][0]["categories"] == sorted(ASKED)
    stage.check("P2", silent, "who asked for a consent sees that it was answered, and not to which part")
    stage.tell(
        "A bridge-builder asks, Morten answers in part",
        "She asked for two kinds of information. He said yes to one, and left the other out; it took one call, and so"
        " would a no have.",
        "the bridge-builder: that it was answered in part, and not which part",
        "a consent is voluntary and specific: any part of what is asked for may be given (GDPR art. 7)",
    )


async def _answer(citizen: Citizen, request_id: str) -> JSON:
    path = f"/v1/citizens/{citizen.borger_id}/requests"
    waiting = next(item for item in (await citizen.consent.get(path))["items"] if item["request_id"] == request_id)
    (item,) = waiting["items"]
    special = {category["code"] for category in item["categories"] if category["special"]}
    body = {
        "items": [
            {
                "item_id": item["item_id"],
                "answer": "accept",
                "categories": [*GIVEN],
                "affirmed_special": sorted(special & set(GIVEN)),
            }
        ],
        "language": "da",
        "text_sha256": waiting["text"]["languages"]["da"]["sha256"],
    }
    return await citizen.consent.post(f"{path}/{request_id}:answer", body, idempotency_key=_key())


async def a_telephone_call(stage: Stage) -> None:
    """U4: without MitID a citizen's word is taken by an employee; about health it counts when a second one confirms."""
    citizen, first, second = stage.citizens["hans"], stage.staff["kk101"], stage.staff["kk102"]
    body = {
        "citizen": {"cpr": stage.number_of["hans"]},
        "method": "telephone_conversation",
        "conversed_at": datetime.now(UTC).isoformat(),
        "act": {"kind": "grant", **await citizen.form(PURPOSE, "SOF-RUSMIDDEL", "BIF-KANTEN", ["SOCIAL_STOETTE"])},
    }
    said = await first.post("/v1/attestations", body, status=201, idempotency_key=_key())
    path = f"/v1/attestations/{said['attestation_id']}"
    etag = (await first.call("GET", path)).headers["etag"]
    headers = {"idempotency-key": _key(), "if-match": etag}
    alone = await first.call("POST", f"{path}:confirm", None, headers)
    confirmed = await second.post(f"{path}:confirm", idempotency_key=_key(), if_match=etag)
    waited = said["status"] == "proposed" and alone.status_code in {403, 409} and confirmed["status"] == "confirmed"
    stage.check("P7", waited, "a yes about health by telephone counted when a second employee had confirmed it")
    shown = await citizen.consent.get(f"/v1/citizens/{citizen.borger_id}/consents/{confirmed['object_id']}")
    (word,) = shown["declarations"]
    withdrawn = await citizen.withdraw(confirmed["object_id"])
    as_it_was = (word["method"], word["attested_unit"]) == ("telephone_conversation", "SOF-BCV")
    stage.check("P4", as_it_was, "the citizen sees that a consent was given by telephone, and to which unit")
    stage.check("P1", withdrawn.statuses[-1] == 200, "what was said on the telephone is withdrawn in one step")
    stage.tell(
        "Hans calls, and thinks better of it",
        "He has no MitID at hand. An employee took his word on the telephone; because it is about his health, it"
        " counted when a colleague of hers had confirmed it. He saw on his own page how it was given, and withdrew it"
        " in one step.",
        "nobody; no event came in between",
        "every act can be done by a person beside or on the line, and is shown as what it was (U4, R7)",
    )


def _key() -> str:
    return secrets.token_hex(16)
