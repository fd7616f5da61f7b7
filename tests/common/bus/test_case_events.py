"""One reading of a case event: what it must say, who wrote it, and what names it."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.case_events import Vocabulary, from_bus, key_of, missing_field, step_of
from libs.common.bus.cloudevents import CloudEvent, to_headers
from libs.common.bus.port import Delivery, PoisonRecordError
from libs.common.wire.messages import CaseEventData
from libs.common.wire.sources import Binding

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNTIL = date(2027, 1, 1)
WORDS = Vocabulary({"sof.plan.opdateret": "SOF->BIF"}, {"SOF-BCV": "SOF", "SOF-BCH": "SOF"})


def binding(code: str, unit: str = "SOF-BCV") -> Binding:
    return Binding(
        code=code, client_id=code, event_sources=(f"urn:kk:{code}",), event_types=("sof.plan.*",), units=(unit,)
    )


ONE, OTHER = binding("one"), binding("other", "SOF-BCH")


def record(topic: str, source: str = "urn:kk:one", **said: object) -> Delivery:
    extensions = {"sourcesystem": str(said["system"])} if "system" in said else {}
    event = CloudEvent(
        id=str(said.get("id", "1042")),
        source=source,
        type=str(said.get("kind", "sof.plan.opdateret")),
        time=NOW,
        data=b'{"unit": "SOF-BCV"}',
        subject=str(uuid4()),
        extensions=extensions,
    )
    return Delivery(topic, 0, 0, "k", to_headers(event), event.data, said.get("at", NOW))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("bif.sag.aabnet", "aabnet"),
        ("sof.sag.lukket", "lukket"),
        ("bif.sag.sagsbehandlerskift", "sagsbehandlerskift"),
        ("sof.boernesag.aabnet", None),
        ("bif.sag.aabnet.igen", None),
        ("bif.sag.andet", None),
    ],
)
def test_only_the_three_words_after_sag_change_a_case(kind, step):
    assert step_of(kind) == step


@pytest.mark.parametrize(
    ("kind", "said", "missing"),
    [
        ("bif.sag.aabnet", {}, "case_reference"),
        ("bif.sag.aabnet", {"case_reference": "BIF-26-1"}, "caseworker"),
        ("bif.sag.sagsbehandlerskift", {"case_reference": "BIF-26-1"}, "caseworker"),
        ("bif.sag.lukket", {}, "case_reference"),
        ("bif.sag.lukket", {"case_reference": "BIF-26-1"}, None),
        ("cpr.foraeldremyndighed_aendret", {}, "custody_holders"),
        ("cpr.foraeldremyndighed_aendret", {"custody_holders": []}, None),
        ("bif.ydelse.stoppet", {}, None),
    ],
)
def test_what_could_have_no_effect_is_said_to_lack_a_field(kind, said, missing):
    assert missing_field(kind, CaseEventData.model_validate({"unit": "BIF-KANTEN"} | said)) == missing


@pytest.mark.parametrize(
    ("delivery", "system"),
    [
        (record("case.events.one"), "one"),
        (record("case.events.one", system="other"), "one"),  # only the door says whose event it took
        (record("case.events.http", system="one"), "one"),
        (record("case.events"), "one"),
    ],
)
def test_the_topic_says_whose_record_it_is(delivery, system):
    assert from_bus(delivery, (ONE, OTHER), WORDS, former_until=UNTIL).system == system


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (record("case.events.other"), "not_its_source"),
        (record("case.events.other", "urn:kk:other"), "not_its_unit"),
        (record("case.events.nobody"), "unknown_source"),
        (record("case.events.http"), "unknown_source"),
        (record("case.events", "urn:kk:nobody"), "unknown_source"),
        (record("case.events", at=NOW + timedelta(days=60)), "topic_closed"),
        (record("case.events.one", kind="sof.plan.ukendt"), "unknown_type"),
        (record("case.events.one", id="x y"), "bad_id"),
        (record("case.events.one", at=NOW - timedelta(hours=1)), "ahead_of_time"),
    ],
)
def test_what_may_not_count_is_parked_with_a_code(delivery, reason):
    with pytest.raises(PoisonRecordError) as parked:
        from_bus(delivery, (ONE, OTHER), WORDS, former_until=UNTIL)
    assert parked.value.reason == reason


_code = st.from_regex(r"[a-z](-?[a-z0-9]){1,10}", fullmatch=True)
_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(_code, _code, _text, _text, _text)
def test_two_systems_keys_never_meet_whatever_sources_and_ids_they_choose(one, other, source, its, event_id):
    assert (key_of(one, source, event_id) == key_of(other, its, event_id)) == ((one, source) == (other, its))
