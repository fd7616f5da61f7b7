"""What may stand in a log line, and that nothing else can get there."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
import structlog

from libs.common.observing import log

NUMBER = "61" + "0158" + "5123"  # a replacement number in a century in which nobody alive was born
DASHED = NUMBER[:6] + "-" + NUMBER[6:]
Lines = Callable[[], list[dict[str, Any]]]


class Outcome(StrEnum):
    DISCLOSED = "disclosed"


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Every line written since the last look, parsed."""
    log.configure("consent", "api", "INFO", instance="consent-1")
    yield lambda: [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def test_a_line_says_when_where_and_what(lines: Lines) -> None:
    log.get_logger().info("withdrawal_drained", waited_ms=12, outcome=Outcome.DISCLOSED)
    (line,) = lines()
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "event": "withdrawal_drained", "level": "info", "service": "consent", "role": "api", "instance": "consent-1",
        "waited_ms": 12, "outcome": "disclosed",
    }  # fmt: skip


def test_identifiers_times_and_lists_of_codes_are_written_as_texts(lines: Lines) -> None:
    permit, moment = UUID(int=7), datetime(2026, 1, 2, tzinfo=UTC)
    log.get_logger().info("permits_ended", permit_id=permit, last=moment, permits=[permit], category={"A"}, state=None)
    (line,) = lines()
    assert (line["permit_id"], line["permits"], line["category"]) == (str(permit), [str(permit)], ["A"])
    assert line["last"].startswith("2026-01-02")
    assert line["state"] is None


@pytest.mark.parametrize(
    "field", ["cpr", "name", "display_name", "text", "body", "message", "borger_id", "url", "path"]
)
def test_a_field_that_is_not_on_the_list_is_dropped_and_counted(lines: Lines, field: str) -> None:
    before = log.dropped_fields().get(field, 0)
    log.get_logger().info("consent_granted", **{field: "Morten Ravn"}, consent_id="c")
    (line,) = lines()
    assert field not in line
    assert "Morten" not in str(line)
    assert (line["consent_id"], line["unknown_fields"]) == ("c", 1)
    assert log.dropped_fields()[field] == before + 1


@pytest.mark.parametrize("value", [{"cpr": "x"}, object(), b"bytes", ["ok", {"a": 1}], ValueError("secret")], ids=type)
def test_a_value_that_may_hold_text_or_structure_is_dropped(lines: Lines, value: object) -> None:
    log.get_logger().info("consent_granted", reason=value)
    (line,) = lines()
    assert "reason" not in line
    assert line["unknown_fields"] == 1


@pytest.mark.parametrize("name", ["Consent granted to Morten", f"granted {NUMBER}", "", "x", "UPPER", "a" * 81])
def test_an_event_is_a_constant_name_and_never_a_sentence(lines: Lines, name: str) -> None:
    log.get_logger().info(name)
    assert lines()[0]["event"] == "unnamed_event"


@pytest.mark.parametrize("value", [NUMBER, DASHED, f"{NUMBER[:6]} {NUMBER[6:]}", int(NUMBER), [NUMBER], f"b={NUMBER};"])
def test_what_is_shaped_like_a_cpr_number_is_masked_even_in_an_allowed_field(lines: Lines, value: object) -> None:
    log.get_logger().info("token_refused", reason=value)
    (line,) = lines()
    assert "[masked]" in str(line["reason"])
    assert NUMBER[6:] not in str(line)


def test_a_uuid_an_epoch_and_a_duration_are_not_mistaken_for_one(lines: Lines) -> None:
    given = {"event_id": "12345678-9012-4345-8901-123456789012", "epoch": 1 << 40, "duration_ms": 1.5}
    log.get_logger().info("permits_acquired", **given)
    line = lines()[0]
    assert {field: line[field] for field in given} == given


def test_a_long_value_is_cut(lines: Lines) -> None:
    log.get_logger().info("token_refused", reason="x" * 1000)
    assert len(lines()[0]["reason"]) == log.TEXT_MAX


def test_an_exception_is_its_type_and_where_it_passed_and_never_its_text(lines: Lines) -> None:
    def store() -> None:
        try:
            raise KeyError(NUMBER)
        except KeyError as error:
            raise ValueError(f"could not store {NUMBER} for Morten") from error

    try:
        store()
    except ValueError:
        log.get_logger().exception("request_failed")
    (line,) = lines()
    assert (line["level"], line["error"], line["reason"]) == ("error", "ValueError", "KeyError")
    assert line["exception"][-1].startswith("tests/common/observing/test_log.py:")
    assert line["exception"][-1].endswith(" store")
    assert NUMBER not in str(line)
    assert "Morten" not in str(line)


def test_a_library_is_heard_without_its_arguments(lines: Lines) -> None:
    logging.getLogger("aiokafka.consumer").warning("Could not decode %r of %s", f"{{'cpr': '{NUMBER}'}}", "Morten")
    (line,) = lines()
    assert (line["library"], line["level"]) == ("aiokafka.consumer", "warning")
    assert line["library_message"] == "Could not decode %r of %s"


def test_a_library_that_formats_its_text_itself_is_cut_to_a_masked_first_line(lines: Lines) -> None:
    formatted = f"Task {NUMBER} exception was never retrieved\nfuture: Morten Ravn"
    logging.getLogger("asyncio").error(formatted)
    (line,) = lines()
    assert line["library_message"] == "Task [masked] exception was never retrieved"


def test_a_librarys_exception_keeps_its_text_to_itself(lines: Lines) -> None:
    try:
        raise RuntimeError(f"[parameters: ('{NUMBER}',)]")
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    (line,) = lines()
    assert line["error"] == "RuntimeError"
    assert NUMBER not in str(line)


def test_addresses_of_requests_are_not_logged(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info('"%s"', "GET /v1/citizens/7f9c0e0a/consents HTTP/1.1")
    logging.getLogger("httpx2").info("HTTP Request: GET http://consent/v1/citizens/7f9c0e0a")
    assert lines() == []


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    log.get_logger().debug("too_small_to_say")
    assert lines() == []
    log.configure("consent", "api", "debug")
    log.get_logger().debug("just_large_enough")
    assert [line["event"] for line in lines()] == ["just_large_enough"]


async def test_the_correlation_id_is_on_every_line_of_its_task_and_of_no_other(lines: Lines) -> None:
    async def work(correlation: str) -> None:
        bound = log.bind_correlation(correlation)
        await asyncio.sleep(0)
        log.get_logger().info("work_done", kind=correlation)
        assert log.current_correlation() == correlation
        log.unbind_correlation(bound)
        assert log.current_correlation() is None

    await asyncio.gather(*(work(f"correlation-{n}") for n in range(5)))
    written = lines()
    assert len(written) == 5
    assert all(line["correlation_id"] == line["kind"] for line in written)


def test_an_unknown_level_is_refused_at_the_start() -> None:
    with pytest.raises(KeyError):
        log.configure("consent", "api", "LOUD")
