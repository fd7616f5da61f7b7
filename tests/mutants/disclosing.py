"""Breaks in advis and on the bus: what is sent under a permit, what is heard, and what is written down about it."""

from tests.builds import Edit
from tests.mutants.mutant import Invariant, Mutant, Proof

CONSUMER = "libs/common/consuming/consumer.py"
DISCLOSURE = "services/advis/disclosure/response.py"
INBOX = "libs/common/consuming/inbox.py"
OUTBOX = "libs/common/outbox/outbox.py"
PERMISSION = "services/advis/disclosure/permits.py"
RELAY = "libs/common/outbox/relay.py"
BUS_TESTS = "tests/common/consuming/test_consumer.py"
DISCLOSURES = "tests/advis/disclosure/test_disclosure.py"
DOORBELLS = "tests/advis/doorbells/test_doorbell.py"
OUTBOX_TESTS = "tests/common/outbox/test_outbox.py"
TOGETHER = "tests/advis/arrivals/test_with_consent.py"
S1, S2, S5 = Invariant.S1, Invariant.S2, Invariant.S5
L1, A1, O1, D1, T1 = Invariant.L1, Invariant.A1, Invariant.O1, Invariant.D1, Invariant.T1

_ACQUIRE = "            grant = await self._fence.acquire([item for _, item in asked])\n"
_MAKE_BELIEVE = """\
            import time
            from libs.common.wire.permits import Permit
            from services.advis.consent.client import Grant
"""
_HANDLE = """\
            await advance(session, *place, expected=self._positions[place], next_offset=next_offset)
            await self._handler.handle(session, admitted, prepared)
"""
_UNNUMBERED = (
    "    SELECT id, lane FROM outbox WHERE number IS NULL AND lane = ANY($1::smallint[]) ORDER BY id LIMIT $2)"
)
_AFTER_THE_LAST = """\
    SELECT id, lane FROM outbox WHERE number IS NULL AND id > (SELECT coalesce(max(id), 0) FROM outbox
      WHERE number IS NOT NULL AND lane = ANY($1::smallint[])) AND lane = ANY($1::smallint[]) ORDER BY id LIMIT $2)"""

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "projection-as-authority",
        "advis discloses what its own rows say is open, and asks nobody",
        S2,
        (
            Edit(
                PERMISSION,
                _ACQUIRE,
                f"{_MAKE_BELIEVE}"
                "            every = {one: Permit(permit_id=one, lease_ms=5000) for one in uses}\n"
                "            grant = Grant(every, time.monotonic() + 5)\n",
            ),
        ),
        (Proof.tests(S2, f"{TOGETHER}::test_after_the_withdrawal_is_answered_nothing_is_disclosed"),),
    ),
    Mutant(
        "preview-is-permission",
        "consent's opinion counts as its permission: nothing is open, so no withdrawal waits for it",
        S2,
        (
            Edit(
                PERMISSION,
                _ACQUIRE,
                f"{_MAKE_BELIEVE}"
                "            yes = await self._fence.would_grant([item for _, item in asked])\n"
                "            every = {one: Permit(permit_id=one, lease_ms=5000) for one in yes}\n"
                "            grant = Grant(every, time.monotonic() + 5)\n",
            ),
        ),
        (Proof.tests(S2, f"{TOGETHER}::test_a_withdrawal_waits_for_a_slow_reader_and_no_byte_comes_after_its_answer"),),
    ),
    Mutant(
        "ignored-deadline",
        "an answer is written although its lease is over",
        S2,
        (
            Edit(DISCLOSURE, "        return time.monotonic() >= self.ends_at_s\n", "        return False\n"),
            Edit(
                "services/advis/disclosure/transport.py",
                "            if left_s <= 0:\n                return False\n",
                "            left_s = POLL_S_MAX\n",
            ),
        ),
        (Proof.tests(S2, f"{DISCLOSURES}::test_a_lease_that_is_over_before_the_first_byte_sends_nothing"),),
    ),
    Mutant(
        "ignored-deadline-of-a-slow-reader",
        "an answer is written for as long as its reader needs, whatever the lease says",
        T1,
        (
            Edit(
                "services/advis/disclosure/transport.py",
                "            if left_s <= 0:\n                return False\n",
                "            left_s = POLL_S_MAX\n",
            ),
        ),
        (
            Proof.tests(
                T1,
                f"{DISCLOSURES}::test_at_the_end_of_the_lease_the_connection_is_cut_and_unsent_bytes_never_arrive",
            ),
        ),
    ),
    Mutant(
        "ignored-deadline-of-a-doorbell",
        "a doorbell rings for as long as its receiver likes, whatever the lease says",
        T1,
        (
            Edit(
                "services/advis/doorbells/sender.py",
                "        left_s = until_s - time.monotonic()\n",
                "        left_s = 5.0\n",
            ),
        ),
        (Proof.tests(T1, f"{DOORBELLS}::test_a_hanging_receiver_is_cut_off_at_the_end_of_the_lease"),),
    ),
    Mutant(
        "settled-before-the-buffer-is-empty",
        "a permit is given back when the answer was written, and not when it has left the machine",
        S2,
        (
            Edit(
                DISCLOSURE,
                "            if await wire.drained(self.disclosure.ends_at_s):\n",
                "            if True:\n",
            ),
        ),
        (Proof.tests(S2, f"{DISCLOSURES}::test_a_slow_reader_delays_the_settle_until_the_last_byte_has_left"),),
    ),
    Mutant(
        "settled-before-the-cut",
        "a disclosure that ran out of time is settled before its connection is cut",
        S2,
        (Edit(DISCLOSURE, "                await wire.cut()\n", "                wire.lost\n"),),
        (Proof.tests(S2, f"{DISCLOSURES}::test_nothing_leaves_after_the_settle"),),
    ),
    Mutant(
        "no-linger",
        "the kernel goes on sending what a killed sender had written",
        S2,
        (Edit("services/advis/disclosure/transport.py", "        self._linger(on=True)\n", ""),),
        (Proof.tests(S2, f"{DISCLOSURES}::test_a_killed_sender_takes_its_unsent_bytes_along"),),
    ),
    Mutant(
        "replay-without-permit",
        "a doorbell that is rung again rings without a new permit",
        S1,
        (
            Edit(
                "services/advis/doorbells/worker.py",
                '        question = Question("doorbell", Actor(endpoint.actor, "recipient_system"))\n',
                "        import time\n"
                "        from datetime import UTC, datetime\n"
                "        for bell in [bell for bell in wanted if bell.attempts]:\n"
                "            answer = await self.sender.ring(endpoint, bell, time.monotonic() + 5)\n"
                "            verdict = judge(answer, bell.attempts + 1, datetime.now(UTC))\n"
                "            await self._save(bell, verdict, attempts=bell.attempts + 1)\n"
                "        wanted = [bell for bell in wanted if not bell.attempts]\n"
                '        question = Question("doorbell", Actor(endpoint.actor, "recipient_system"))\n',
            ),
        ),
        (Proof.tests(S1, f"{DOORBELLS}::test_a_withdrawal_between_two_attempts_stops_the_retry"),),
    ),
    Mutant(
        "new-webhook-id-per-attempt",
        "each attempt of a doorbell has an id of its own, so its receiver cannot tell a repetition",
        S5,
        (
            Edit(
                "services/advis/doorbells/webhook.py",
                '        "webhook-id": str(doorbell_id),\n',
                '        "webhook-id": str(__import__("uuid").uuid4()),\n',
            ),
        ),
        (Proof.tests(S5, f"{DOORBELLS}::test_a_retry_takes_a_new_permit_and_repeats_the_same_bytes_and_id"),),
    ),
    Mutant(
        "refused-notification-left-open",
        "a notification whose permit was refused stays open in its reader's inbox",
        L1,
        (
            Edit(
                "services/advis/inbox/commands.py",
                "    await cancel(session, [notification.notification_id for notification in refused], now)\n",
                "    _ = (refused, now)\n",
            ),
        ),
        (Proof.tests(L1, "tests/advis/inbox/test_inbox.py::test_a_refused_permit_cancels_at_once_and_says_nothing"),),
    ),
    Mutant(
        "unreachable-is-a-refusal",
        "a consent that does not answer counts as one that refuses, and cancels what may be told",
        L1,
        (
            Edit(
                PERMISSION,
                "            self._settlements.add(list(uses.values()), Reach.NOT_SENT)\n            raise\n",
                "            self._settlements.add(list(uses.values()), Reach.NOT_SENT)\n"
                "            return Granted((), tuple(candidates), 0.0, self._settlements)\n",
            ),
        ),
        (
            Proof.tests(
                L1, "tests/advis/inbox/test_inbox.py::test_consent_out_of_reach_discloses_nothing_and_cancels_nothing"
            ),
        ),
    ),
    Mutant(
        "position-before-effects",
        "the position on the bus is committed before the work that it stands for",
        L1,
        (
            Edit(
                CONSUMER,
                _HANDLE,
                _HANDLE.replace(
                    "            await self._h",
                    "        async with self._database.write() as session:\n            await self._h",
                ),
            ),
        ),
        (
            Proof.tests(
                L1, f"{BUS_TESTS}::test_a_consumer_that_dies_before_its_commit_leaves_no_effect_and_is_repeated"
            ),
        ),
    ),
    Mutant(
        "no-inbox-key",
        "an event that is delivered again counts again",
        A1,
        (
            Edit(
                INBOX,
                "    return frozenset((row.source, row.event_id) for row in rows)",
                "    return frozenset(unique)",
            ),
        ),
        (
            Proof.tests(
                A1, "tests/advis/arrivals/test_consumer.py::test_the_same_event_delivered_again_changes_nothing"
            ),
        ),
    ),
    Mutant(
        "no-compare-and-set",
        "a consumer moves the position from wherever it is, also when the partition is another's by now",
        L1,
        (
            Edit(
                INBOX,
                "WHERE topic = $1 AND partition = $2 AND next_offset = $4",
                "WHERE topic = $1 AND partition = $2 AND $4::bigint IS NOT NULL",
            ),
        ),
        (Proof.tests(L1, f"{BUS_TESTS}::test_a_position_moves_only_from_where_it_is"),),
    ),
    Mutant(
        "cursor-relay",
        "the relay goes on after the last row that it saw, and passes over what commits late with an early id",
        A1,
        (Edit(RELAY, _UNNUMBERED, _AFTER_THE_LAST),),
        (
            Proof.tests(
                A1,
                f"{OUTBOX_TESTS}::test_a_row_that_commits_late_with_an_early_id_is_not_skipped",
                by=("TimeoutError",),
            ),
        ),
    ),
    Mutant(
        "notify-without-poll",
        "the relay looks only when it is told to, and a lost ring is a lost record",
        L1,
        (Edit(RELAY, "await self._bell.wait(POLL_S)", "await self._bell.wait(3600)"),),
        (Proof.tests(L1, f"{OUTBOX_TESTS}::test_a_ring_publishes_at_once_and_silence_within_a_poll"),),
    ),
    Mutant(
        "lane-of-the-entry",
        "entries about one person go to any lane, so that their order is lost on the way",
        O1,
        (
            Edit(
                OUTBOX,
                "zlib.crc32(str(entry.subject or entry.id).encode())",
                "zlib.crc32(str(entry.id).encode())",
            ),
        ),
        (Proof.tests(O1, f"{OUTBOX_TESTS}::test_an_audit_entry_goes_to_the_lane_of_the_person_it_is_about"),),
    ),
    Mutant(
        "relay-out-of-order",
        "the relay numbers the newest rows of a lane first",
        O1,
        (
            Edit(
                RELAY,
                "row_number() OVER (PARTITION BY lane ORDER BY id)",
                "row_number() OVER (PARTITION BY lane ORDER BY id DESC)",
            ),
        ),
        (Proof.tests(O1, f"{OUTBOX_TESTS}::test_concurrent_writers_lose_nothing_and_every_lane_is_gap_free"),),
    ),
    Mutant(
        "unmasked-log",
        "a log line shows what is shaped like a personal number",
        D1,
        (
            Edit(
                "libs/common/observing/log.py",
                "    return (text if is_id(text) else mask_personal_numbers(text))[:TEXT_MAX]\n",
                "    return text[:TEXT_MAX]\n",
            ),
        ),
        (
            Proof.tests(
                D1,
                "tests/common/observing/test_log.py::test_what_is_shaped_like_a_cpr_number_is_masked_even_in_an_allowed_field",
            ),
        ),
    ),
)
