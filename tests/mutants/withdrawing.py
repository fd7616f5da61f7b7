"""Breaks of withdrawal, drain and death: when a citizen may be told that nothing more will be disclosed."""

from tests.builds import Edit
from tests.mutants.mutant import Invariant, Mutant, Proof

DATABASE = "libs/common/database/database.py"
DRAIN = "services/consent/drains/drain.py"
PERMITS = "services/consent/fence/permits_store.py"
WITHDRAWALS = "services/consent/withdrawals/commands.py"
CRASH = "tests/fence/test_crash.py"
DRAINING = "tests/consent/drains/test_drain.py"
RACES = "tests/consent/fence/test_races.py"
SUPERVISOR = "tests/cli/supervising/test_supervisor.py"
TRAPS = "tests/fence/test_postgres_traps.py"
S2, S4, L1, T1 = Invariant.S2, Invariant.S4, Invariant.L1, Invariant.T1

_ONE_EXTENT = (
    "    return await _end(session, signer, request, "
    "_Extent(Act.WITHDRAWAL, consent_id, [scope_of(found)], [consent_id]))\n"
)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "one-statement-withdraw",
        "a withdrawal counts what is in flight before its lock, and is drained when it saw nothing",
        S4,
        (
            Edit(
                WITHDRAWALS,
                "    await _lock(session, [scope_of(found)])\n    earlier =",
                "    from libs.common.database.database import driver\n"
                '    count = "SELECT count(*) FROM permit_scope WHERE borger_id = $1"\n'
                "    seen = await driver(session).fetchval(count, request.borger_id)\n"
                "    await _lock(session, [scope_of(found)])\n    earlier =",
            ),
            Edit(
                WITHDRAWALS,
                _ONE_EXTENT,
                _ONE_EXTENT.replace("return await", "done = await") + "    if not seen:\n"
                "        await drains_store.mark_drained(session, done.withdrawal_id)\n"
                "    return done\n",
            ),
        ),
        (Proof.tests(S4, f"{RACES}::test_a_withdrawal_that_waited_for_an_acquire_drains_its_permit"),),
    ),
    Mutant(
        "ack-without-drain",
        "a withdrawal is answered whether or not something is in flight",
        S4,
        (
            Edit(
                DRAIN, "    if not waiting:\n        await _write_drained", "    if True:\n        await _write_drained"
            ),
        ),
        (Proof.tests(S4, f"{DRAINING}::test_an_open_permit_is_waited_for_and_a_settle_ends_the_wait"),),
    ),
    Mutant(
        "permit-freed-by-time",
        "a permit ends with its lease",
        S4,
        (
            Edit(
                PERMITS,
                "JOIN permit p ON p.permit_id = s.permit_id AND p.state = 'open'\n",
                "JOIN permit p ON p.permit_id = s.permit_id AND p.state = 'open'\n"
                "  AND p.lease_until > clock_timestamp()\n",
            ),
        ),
        (Proof.tests(S4, f"{DRAINING}::test_a_permit_never_ends_by_time"),),
    ),
    Mutant(
        "only-the-epoch-before",
        "a drain looks for permits of the epoch just before it, and not for all older ones",
        S4,
        (Edit(PERMITS, "AND s.epoch < w.epoch", "AND s.epoch = w.epoch - 1"),),
        (
            Proof.tests(
                S4,
                "tests/consent/withdrawals/test_withdraw_everything.py::test_with_nothing_left_to_end_it_still_waits_for_what_is_in_flight",
            ),
        ),
    ),
    Mutant(
        "refusal-not-drained",
        "a withdrawal waits for what is in flight, a refusal does not",
        S4,
        (
            Edit(
                "services/consent/commands/requests.py",
                "    await drains_store.insert_scopes(session, withdrawal.withdrawal_id, epochs)\n",
                "    if withdrawal.act is not Act.REFUSAL:\n"
                "        await drains_store.insert_scopes(session, withdrawal.withdrawal_id, epochs)\n",
            ),
        ),
        (Proof.tests(S4, f"{DRAINING}::test_a_refusal_waits_as_a_withdrawal_does"),),
    ),
    Mutant(
        "narrowing-not-drained",
        "a consent to less than before is answered without waiting for what it left out",
        S4,
        (
            Edit(
                "services/consent/grants/commands.py",
                "    if changed.ended:\n        await narrowed",
                "    if False:\n        await narrowed",
            ),
        ),
        (
            Proof.tests(
                S4,
                "tests/consent/withdrawals/test_http.py::test_a_consent_to_less_than_before_waits_as_a_withdrawal_does",
            ),
        ),
    ),
    Mutant(
        "repeated-withdrawal-not-drained",
        "a repeated withdrawal is answered 200 without a drain",
        S4,
        (
            Edit(
                WITHDRAWALS,
                "        return await answered(session, request, earlier)\n    current = ",
                "        from dataclasses import replace\n"
                "        done = replace(earlier, drained_at=earlier.registered_at)\n"
                "        return await answered(session, request, done)\n    current = ",
            ),
        ),
        (Proof.tests(S4, f"{DRAINING}::test_a_repeated_withdrawal_waits_for_its_own_epoch"),),
    ),
    Mutant(
        "repeated-withdrawal-ends-the-newer",
        "a repeated withdrawal withdraws the consent that was given since",
        L1,
        (
            Edit(
                WITHDRAWALS,
                "    if earlier is not None:\n        return await answered(session, request, earlier)\n    current = ",
                "    units = (found.holder_unit, found.recipient_unit)\n"
                "    newer = await consents_store.open_for(session, request.borger_id, found.purpose, units)\n"
                "    if earlier is not None and not newer:\n"
                "        return await answered(session, request, earlier)\n"
                "    consent_id = newer[0].consent_id if newer else consent_id\n    current = ",
            ),
        ),
        (
            Proof.tests(
                L1,
                f"{DRAINING}::test_a_repeated_withdrawal_changes_nothing_when_the_citizen_has_consented_anew",
            ),
        ),
    ),
    Mutant(
        "living-holder-confirmed-dead",
        "a holder that is late is taken for dead, although nobody has seen it die",
        S4,
        (
            Edit(
                DRAIN,
                "        ordered = await holders_store.order_fence(session, holder_ids, reason=FENCE_REASON)\n",
                "        ordered = await holders_store.order_fence(session, holder_ids, reason=FENCE_REASON)\n"
                "        from services.consent.fence.holders import confirm_death\n"
                "        for late in sorted(holder_ids):\n"
                '            await confirm_death(session, late, supervisor=None, actor="consent", proof="late")\n',
            ),
        ),
        (Proof.tests(S4, f"{DRAINING}::test_a_holder_past_its_lease_and_the_margin_is_ordered_fenced_once"),),
    ),
    Mutant(
        "death-without-the-lock",
        "a supervisor takes a process for dead although it holds another lock file than the one that proves it",
        S4,
        (Edit("libs/cli/supervising/slots.py", "        if record.lock == lock:\n", "        if True:\n"),),
        (
            Proof.tests(
                S4, "tests/cli/supervising/test_slots.py::test_another_lock_file_proves_nothing_on_the_same_boot"
            ),
        ),
    ),
    Mutant(
        "no-order-to-fence",
        "a withdrawal that waits for a holder past its lease orders nobody to kill it",
        T1,
        (Edit(DRAIN, "    if late:\n", "    if False:\n"),),
        (Proof.tests(T1, f"{DRAINING}::test_a_holder_past_its_lease_and_the_margin_is_ordered_fenced_once"),),
    ),
    Mutant(
        "no-kill",
        "a supervisor does not kill a holder that it is ordered to",
        T1,
        (Edit("libs/cli/supervising/incarnations.py", "                child.signal(SIGKILL)\n", ""),),
        (Proof.tests(T1, f"{SUPERVISOR}::test_a_stopped_process_is_killed_and_confirmed_when_consent_orders_it"),),
    ),
    Mutant(
        "asynchronous-commit",
        "a commit does not wait until it is durable, and PostgreSQL crashes",
        S2,
        (Edit(DATABASE, '        "synchronous_commit": "on",', '        "synchronous_commit": "off",'),),
        (Proof.tests(S2, f"{CRASH}::test_a_withdrawal_that_was_answered_survives_a_crash_of_the_database"),),
    ),
    Mutant(
        "commit-as-the-server-likes",
        "whether a commit is durable is left to the server's default",
        S2,
        (
            Edit(
                DATABASE,
                '        "synchronous_commit": "on",  # whatever the server defaults to',
                "        #",
            ),
        ),
        (Proof.tests(S2, f"{TRAPS}::test_commits_are_synchronous_whatever_the_server_defaults_to"),),
    ),
    Mutant(
        "warning-on-commit-ignored",
        "a COMMIT that was cancelled while it waited for a standby counts as one",
        S2,
        (Edit(DATABASE, '    if tag != "COMMIT" or "WARNING" in severities:', '    if tag != "COMMIT":'),),
        (Proof.tests(S2, f"{TRAPS}::test_a_cancelled_commit_reports_success_and_ours_reports_none"),),
    ),
    Mutant(
        "commit-cancelled-with-its-caller",
        "a COMMIT under way is cancelled when the request is",
        S2,
        (Edit(DATABASE, "    await _uninterrupted(_commit(session))\n", "    await _commit(session)\n"),),
        (Proof.tests(S2, f"{TRAPS}::test_a_caller_cancelled_during_commit_hears_no_success_and_the_commit_goes_on"),),
    ),
)
