"""The offline check says what the door would say, by line and field, and repeats nothing of the file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from libs.cli.__main__ import app
from libs.cli.verifying.events_check import UnreadableFileError, check_file
from tests.tree import REFERENCE

CANARY = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "urn:samtykkebro:source:fasit",
        "type": "bif.ydelse.stoppet",
        "subject": str(uuid4()),
        "time": datetime.now(UTC).isoformat(),
        "data": {"unit": "BIF-YDELSE"},
    } | changes


def checked(path: Path, content: str | bytes, source: str | None = None) -> Any:
    file = path / "events.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check_file(file, REFERENCE, source=source)


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("form", ["one", "batch", "lines"])
def test_every_form_of_file_is_read_with_and_without_a_bom(tmp_path, form, bom):
    events = [an_event()] if form == "one" else [an_event(), an_event()]
    text = "\n".join(map(json.dumps, events)) if form != "batch" else json.dumps(events)
    found = checked(tmp_path, bom + text.encode())
    assert (found.events, found.findings) == (len(events), ())


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"id": f"evt{CANARY}"}, "id", "UUID"),
        ({"subject": CANARY}, "subject", "borger_id"),
        ({"type": "bif.ukendt.type"}, "type", "not a known event type"),
        ({"type": "cpr.doedsfald"}, "type", "not_its_type"),
        ({"source": "urn:samtykkebro:source:domus"}, "type", "not_its_type"),
        ({"source": "urn:kk:nobody"}, "source", "unknown_source"),
        ({"data": {"unit": "SOF-BCV"}}, "data.unit", "not_its_unit"),
        ({"data": {"unit": "BIF-YDELSE", "note": f"Hansen {CANARY}"}}, "data", "not known"),
        ({"type": "bif.sag.aabnet"}, "data.case_reference", "required"),
        ({"time": "20261127120000Z"}, "time", "RFC 3339"),
    ],
)
def test_what_the_door_refuses_is_named_by_line_and_field_and_never_repeated(tmp_path, change, field, why):
    lines = [json.dumps(an_event()), "", json.dumps(an_event() | change)]
    (finding,) = checked(tmp_path, "\n".join(lines)).findings
    assert (finding.place, finding.field) == ("line 3", field)
    assert why in finding.why
    assert CANARY not in finding.why
    assert "Hansen" not in finding.why


def test_with_a_source_named_every_event_must_be_its_own(tmp_path):
    (finding,) = checked(tmp_path, json.dumps([an_event()]), source="domus").findings
    assert (finding.place, finding.field) == ("event 1", "source")
    with pytest.raises(UnreadableFileError):
        checked(tmp_path, json.dumps(an_event()), source="nobody")


def test_one_id_for_two_events_is_found_and_a_repetition_is_none(tmp_path):
    one = an_event()
    assert checked(tmp_path, json.dumps([one, one])).findings == ()
    (finding,) = checked(tmp_path, json.dumps([one, one | {"subject": str(uuid4())}])).findings
    assert (finding.place, finding.field) == ("event 2", "id")


def test_the_command_ends_with_0_1_or_2(tmp_path):
    file = tmp_path / "f.jsonl"
    for content, code in ((json.dumps(an_event()), 0), (json.dumps(an_event(id=CANARY)), 2), ("{", 1), ("", 1)):
        file.write_text(content)
        result = CliRunner().invoke(app, ["events", "check", str(file)])
        assert result.exit_code == code, result.output
        assert CANARY not in result.output
