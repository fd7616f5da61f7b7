"""Every status that a document declares is met, or written down here with its reason. None else is ever answered."""

import pytest

from libs.common.http.admission import Admission, Limits
from tests.contract.doors import Operation, ask, doors, operations
from tests.contract.test_doors import HOLDERS, caller, named
from tests.declared import require_declared

REASONS = {
    **dict.fromkeys(("200", "201", "202", "204"), "the operation's own tests: it needs a database"),
    "400": "what is no HTTP (http/test_connections.py); what AuthZEN cannot read (access/test_evaluation.py)",
    "404": "what is not there: the operation's own tests; an address with a personal number (service/test_web.py)",
    "406": "a form that is not offered: tests/consent/receipts/test_pdf.py and test_export.py",
    "408": "what does not come in time: tests/common/http/test_connections.py",
    "409": "what contradicts what is stored, a key used twice: the operation's own tests",
    "412": "another state than the one named: the operation's own tests",
    "413": "a body beyond its bound: tests/common/service/test_web.py",
    "414": "an address beyond its bound: tests/common/http/test_connections.py",
    "428": "no state named: the operation's own tests",
    "431": "a head beyond its bounds: tests/common/http/test_connections.py",
    "500": "what nobody foresaw: tests/common/service/test_web.py",
}
STOPS = {"503": "a way to stop is never shed: it is 503 without its database only (tests/common/service/test_web.py)"}
HELD = dict.fromkeys(("403", "415", "422", "429"), "a holder's credential needs the database (fence/test_http.py)")


def _reasons(operation: Operation) -> set[str]:
    stops = STOPS if "x-never-limited" in operation.spec else {}
    return {*REASONS, *stops, *(HELD if operation in HOLDERS else ())}


async def _met(operation: Operation) -> set[str]:
    """The statuses of one request of each kind that is refused before its handler."""
    everything = [] if operation in HOLDERS else [caller(operation)]
    nobody = [] if operation in HOLDERS else [caller(operation, roles=("nobody",))]
    state = doors()[operation.service].state
    usual, one = state.admission, Limits(quota_reads_per_minute=1, quota_writes_per_minute=1, requests_in_flight_max=1)
    coded = ("Content-Encoding", "gzip")
    state.admission = Admission(one.model_copy(update={"quota_system_calls_per_minute": 1}))
    answers = [await ask(operation, [*everything, coded]) for _ in range(3)]
    state.admission.in_flight = 1
    answers.append(await ask(operation, [*everything, coded]))
    state.admission = usual
    if "security" in operation.spec:
        answers += [await ask(operation), await ask(operation, nobody)]
    answers.append(await ask(operation, method="TRACE"))
    answers.append(await ask(operation, [*everything, ("Content-Type", "a/b"), ("Content-Type", "a/b")]))
    return {str(answer.status) for answer in answers}


@pytest.mark.parametrize("operation", operations(), ids=named)
async def test_a_declared_status_is_met_or_has_its_reason(operation: Operation) -> None:
    declared, met, reasons = set(operation.spec["responses"]), await _met(operation), _reasons(operation)
    assert declared - met - reasons == set()
    assert not met & reasons & declared, "a reason that is none"


def test_a_reason_is_of_a_status_that_is_declared() -> None:
    assert set(REASONS) <= {status for operation in operations() for status in operation.spec["responses"]}


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/inbox", 418), ("/v1/inbox", 201), ("/v1/inbox", 412), ("/health/live", 401)]
)
def test_a_status_that_is_not_declared_is_seen(path: str, status: int) -> None:
    require_declared("advis", "GET", path, 200)
    with pytest.raises(AssertionError, match="does not declare"):
        require_declared("advis", "GET", path, status)
