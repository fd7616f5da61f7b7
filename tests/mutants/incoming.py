"""Breaks of what comes in: nothing of it may stop what is shared, reach further than its source, or end a door."""

from tests.builds import Edit
from tests.mutants.mutant import Invariant, Mutant, Proof

CONSUMER = "libs/common/consuming/consumer.py"
PROCESS = "libs/common/running/health.py"
S3, L1, T1, D1 = Invariant.S3, Invariant.L1, Invariant.T1, Invariant.D1
LIFECYCLE = "tests/consent/lifecycle/test_lifecycle.py"
PARKING = "tests/common/consuming/test_parking.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "source-not-bound-on-the-bus",
        "what a record says is not held against what the writer of its topic may say",
        L1,
        (
            Edit(
                "libs/common/bus/case_events.py",
                "    if wrong := judge(binding, event, data, vocabulary):\n",
                "    if wrong := None:\n",
            ),
        ),
        (
            Proof.tests(
                L1,
                f"{LIFECYCLE}::test_what_is_not_its_writers_to_say_changes_nothing_and_is_parked",
                "tests/advis/reference/test_source_binding.py::test_a_record_that_is_not_its_writers_to_say_is_parked_by_name",
            ),
        ),
    ),
    Mutant(
        "no-horizon",
        "a record that is older than every key that would know it again is handled",
        L1,
        (
            Edit(
                CONSUMER,
                "        if self._horizon is not None and admitted.arrived < datetime.now(UTC) - self._horizon:\n",
                "        if False:\n",
            ),
        ),
        (Proof.tests(L1, f"{PARKING}::test_a_record_older_than_the_horizon_is_parked_and_never_handled"),),
    ),
    Mutant(
        "replayed-as-if-new",
        "a record that was parked and is sent again is told under a consent that was given since",
        S3,
        (Edit("services/consent/fence/openings.py", "    if arrived is not None:\n", "    if False:\n"),),
        (
            Proof.tests(
                S3,
                "tests/consent/fence/test_arrivals.py::test_what_was_parked_has_no_opening_that_began_after_it_was",
            ),
        ),
    ),
    Mutant(
        "life-events-in-one-transaction",
        "a batch of life events holds all of its people's scopes until the last of them is done",
        T1,
        (
            Edit(
                "services/consent/lifecycle/consumer.py",
                "            return from_delivery(delivery).type in HANDLERS\n        except",
                "            return from_delivery(delivery).type in ()\n        except",
            ),
        ),
        (Proof.tests(T1, f"{LIFECYCLE}::test_a_life_event_has_a_transaction_of_its_own"),),
    ),
    Mutant(
        "alone-together",
        "records that are to have a transaction each share one",
        T1,
        (Edit(CONSUMER, "if is_alone else [together]", "if False else [together]"),),
        (
            Proof.tests(
                T1,
                "tests/common/consuming/test_alone.py::test_each_record_that_goes_alone_has_a_transaction_of_its_own",
            ),
        ),
    ),
    Mutant(
        "quota-on-a-way-to-stop",
        "a way to stop counts against its caller's quota as everything else does",
        T1,
        (
            Edit(
                "libs/common/http/door.py",
                "        stops = is_marked(self.openapi_extra, WAY_TO_STOP)\n",
                "        stops = False\n",
            ),
        ),
        (
            Proof.tests(
                T1,
                "tests/consent/http/test_never_limited.py"
                "::test_with_every_quota_used_up_a_disclosure_is_still_stopped_in_every_way",
            ),
        ),
    ),
    Mutant(
        "cursor-of-any-reader",
        "a page's cursor opens for whoever has it",
        D1,
        (
            Edit(
                "libs/common/http/cursors.py",
                "reader.subject, reader.client_id, reader.unit, sorted(reader.roles)),\n",
                "),\n",
            ),
        ),
        (Proof.tests(D1, "tests/common/http/test_cursors.py::test_another_readers_or_another_lists_is_refused"),),
    ),
    Mutant(
        "broken-loop-ends-the-door",
        "a loop that breaks over what came in ends its process, and with it the door",
        T1,
        (
            Edit(
                PROCESS,
                "        except Exception:  # noqa: BLE001 - whatever broke",
                "        except ():  # noqa: B030 - whatever broke",
            ),
        ),
        (
            Proof.tests(
                T1,
                "tests/common/running/test_settings_and_process.py::test_a_loop_that_breaks_begins_anew_and_ends_no_other",
                by=("LookupError", "ExceptionGroup"),
            ),
        ),
    ),
)
