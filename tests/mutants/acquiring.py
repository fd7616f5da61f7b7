"""Breaks of acquire and settle: who gets the right to disclose, and when it is given back."""

from tests.builds import Edit
from tests.mutants.mutant import Invariant, Mutant, Proof

DOMAIN = "services/consent/decision/epochs.py"
FENCE = "services/consent/fence/permits.py"
PERMITS = "services/consent/fence/permits_store.py"
ACQUIRE = "tests/consent/fence/test_acquire.py"
COVERAGE = "tests/consent/scopes/test_coverage.py"
DATABASE = "tests/common/database/test_database.py"
RACES = "tests/consent/fence/test_races.py"
TRAPS = "tests/fence/test_postgres_traps.py"
S3, S4, L1, A1, A2, T1 = Invariant.S3, Invariant.S4, Invariant.L1, Invariant.A1, Invariant.A2, Invariant.T1

_LOCK_THEN_READ = """\
        await scopes_store.lock(session, sorted(held))
        now, known = await permits_store.read_known(session, [item.permit_id for item in items])
        snapshot = await load_snapshot(session, _persons(items))
"""
_READ_THEN_LOCK = """\
        snapshot = await load_snapshot(session, _persons(items))
        await scopes_store.lock(session, sorted(held))
        now, known = await permits_store.read_known(session, [item.permit_id for item in items])
"""
# What one statement that locks and reads answers: the row that it waited for as it is now, all else as it was.
_LOCK_AND_READ = """\
        old = await load_snapshot(session, _persons(items))
        await scopes_store.lock(session, sorted(held))
        now, known = await permits_store.read_known(session, [item.permit_id for item in items])
        snapshot = await load_snapshot(session, _persons(items))
        for who, person in old.persons.items():
            for key, scope in person.scopes.items():
                object.__setattr__(scope, "epoch", snapshot.persons[who].scopes[key].epoch)
        snapshot = old
"""
_CLOSE = "    return await _close_scopes(session, holder_id, outcomes)\n"
_ENDED = "    ended = await _close_scopes(session, holder_id, outcomes)\n"
_FROM_REQUEST = "FROM unnest($2::uuid[], $3::text[]) AS r (id, outcome)\nORDER BY r.id\n"
_REPEATABLE = Edit(
    "libs/common/database/database.py",
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "stale-read",
        "acquire reads the state before it locks the scopes",
        S3,
        (Edit(FENCE, _LOCK_THEN_READ, _READ_THEN_LOCK),),
        (Proof.tests(S3, f"{RACES}::test_an_acquire_that_waited_for_a_withdrawal_sees_what_it_did"),),
    ),
    Mutant(
        "lock-and-read-in-one-statement",
        "acquire locks the scopes and reads the state in one statement: the new epoch, the old consent",
        S3,
        (Edit(FENCE, _LOCK_THEN_READ, _LOCK_AND_READ),),
        (Proof.tests(S3, f"{RACES}::test_an_acquire_that_waited_for_a_withdrawal_sees_what_it_did"),),
    ),
    Mutant(
        "no-lock-in-acquire",
        "acquire locks no scope",
        S4,
        (Edit(FENCE, "        await scopes_store.lock(session, sorted(held))\n", ""),),
        (Proof.tests(S4, f"{RACES}::test_a_withdrawal_that_waited_for_an_acquire_drains_its_permit"),),
    ),
    Mutant(
        "share-locks",
        "acquire share-locks the scopes, so that a withdrawal may starve behind acquirers",
        T1,
        (
            Edit(
                "services/consent/scopes/store.py",
                "ORDER BY 1, 2, 3 FOR UPDATE OF s",
                "ORDER BY 1, 2, 3 FOR SHARE OF s",
            ),
        ),
        (
            Proof.tests(
                T1,
                f"{TRAPS}::test_acquire_locks_holder_then_scopes_and_reads_the_state_after_both",
            ),
        ),
    ),
    Mutant(
        "transaction-time",
        "decisions are made at the start of the transaction instead of by the clock after the locks",
        S3,
        (
            Edit("libs/common/database/database.py", '"SELECT clock_timestamp()"', '"SELECT now()"'),
            Edit(
                PERMITS,
                "FROM (SELECT clock_timestamp() AS now) AS c LEFT JOIN permit p",
                "FROM (SELECT now() AS now) AS c LEFT JOIN permit p",
            ),
        ),
        (Proof.tests(S3, f"{RACES}::test_an_acquire_that_waited_decides_by_the_clock_and_not_by_when_it_began"),),
    ),
    Mutant(
        "repeatable-read",
        "transactions are REPEATABLE READ",
        S3,
        (_REPEATABLE,),
        (Proof.tests(S3, f"{DATABASE}::test_a_later_statement_sees_what_was_committed_meanwhile"),),
    ),
    Mutant(
        "repeatable-read-unasked",
        "transactions are REPEATABLE READ, and the fence does not ask",
        S3,
        (
            _REPEATABLE,
            Edit("services/consent/scopes/store.py", "    if isolation != READ_COMMITTED:", "    if not isolation:"),
        ),
        (Proof.tests(S3, f"{ACQUIRE}::test_no_act_of_the_fence_runs_but_in_read_committed"),),
    ),
    Mutant(
        "tombstone-for-known-ids-only",
        "settling an id that is not known yet leaves nothing behind, so the acquire that comes late is granted",
        T1,
        (
            Edit(
                PERMITS,
                _FROM_REQUEST,
                _FROM_REQUEST.replace("ORDER", "WHERE EXISTS (SELECT 1 FROM permit k WHERE k.permit_id = r.id) ORDER"),
            ),
        ),
        (Proof.tests(T1, f"{ACQUIRE}::test_an_id_settled_before_it_was_known_is_never_granted"),),
    ),
    Mutant(
        "tombstone-for-unknown-ids-only",
        "settling a permit forgets its id, so a repeated acquire is granted anew",
        T1,
        (
            Edit(
                PERMITS,
                _CLOSE,
                f"{_ENDED}"
                '    gone = "DELETE FROM permit WHERE permit_id = ANY($1::uuid[]) AND acquired_at IS NOT NULL"\n'
                "    await driver(session).execute(gone, list(outcomes))\n"
                "    return ended\n",
            ),
        ),
        (Proof.tests(T1, f"{ACQUIRE}::test_a_settled_id_is_never_granted_again"),),
    ),
    Mutant(
        "settle-without-tombstone",
        "settle leaves no tombstone, whether the id is known or not",
        T1,
        (
            Edit(
                PERMITS,
                _CLOSE,
                f"{_ENDED}"
                '    gone = "DELETE FROM permit WHERE permit_id = ANY($1::uuid[])"\n'
                "    await driver(session).execute(gone, list(outcomes))\n"
                "    return ended\n",
            ),
        ),
        (
            Proof.tests(
                T1,
                f"{ACQUIRE}::test_an_id_settled_before_it_was_known_is_never_granted",
                f"{ACQUIRE}::test_a_settled_id_is_never_granted_again",
            ),
        ),
    ),
    Mutant(
        "dead-holder-may-acquire",
        "a holder confirmed dead may acquire: a permit that nobody will ever settle",
        T1,
        (Edit("services/consent/fence/holders_store.py", "SELECT died_at IS NULL AS lives,", "SELECT true AS lives,"),),
        (Proof.tests(T1, f"{ACQUIRE}::test_a_holder_confirmed_dead_acquires_nothing"),),
    ),
    Mutant(
        "epoch-equality",
        "what arrived is good at exactly its epoch, instead of covered since: renewing a consent loses advis",
        L1,
        (Edit(DOMAIN, "    return since <= arrived <= current\n", "    return arrived == current\n"),),
        (Proof.tests(L1, f"{COVERAGE}::test_renewing_is_no_break"),),
    ),
    Mutant(
        "judged-by-today-alone",
        "what arrived during a gap is disclosed under a later consent",
        S3,
        (Edit(DOMAIN, "    return since <= arrived <= current\n", "    return True\n"),),
        (
            Proof.tests(
                S3,
                f"{COVERAGE}::test_a_withdrawal_and_a_new_consent_are_a_break_and_what_arrives_then_is_covered",
            ),
        ),
    ),
    Mutant(
        "absent-scope-row-is-yes",
        "a scope without a row is decided by the consents that are there",
        S3,
        (
            Edit(
                "services/consent/fence/permitting.py",
                "        return Refused.NO_SCOPE\n",
                "        return None if decision.permitted else decision.reason\n",
            ),
            Edit(
                "services/consent/fence/permitting.py",
                "    scope = snapshot.persons[borger_id].scopes[asked.purpose, asked.recipient_unit]\n",
                "    from services.consent.decision.snapshot import ScopeState\n"
                "    scopes = snapshot.persons[borger_id].scopes\n"
                "    scope = scopes.get((asked.purpose, asked.recipient_unit)) or ScopeState(0, {})\n",
            ),
        ),
        (Proof.tests(S3, f"{ACQUIRE}::test_a_scope_without_a_row_is_a_no_even_with_a_consent_in_the_table"),),
    ),
    Mutant(
        "one-scope-locked",
        "of a family event only one person's scope is locked",
        S4,
        (
            Edit(
                FENCE,
                "item.recipient_unit) for item in items for told in item.reveals}",
                "item.recipient_unit) for item in items for told in item.reveals[:1]}",
            ),
        ),
        (Proof.tests(S4, f"{TRAPS}::test_a_family_event_waits_for_either_ones_scope"),),
    ),
    Mutant(
        "one-scope-written",
        "of a family event only one person's scope is written down, so the other's withdrawal does not wait",
        S4,
        (
            Edit(
                FENCE,
                "        for part in yes.judgement.parts\n    ]\n\n\ndef _uses",
                "        for part in yes.judgement.parts[:1]\n    ]\n\n\ndef _uses",
            ),
        ),
        (
            Proof.tests(
                S4,
                f"{COVERAGE}::test_the_mothers_withdrawal_waits_for_a_family_event",
                f"{COVERAGE}::test_the_childs_withdrawal_waits_for_a_family_event",
            ),
        ),
    ),
    Mutant(
        "permit-without-its-record",
        "a permit is opened and not recorded",
        A2,
        (
            Edit(
                FENCE,
                "    await append(session, fence_audit.of_acquire(opened, refused, now))\n    repeated",
                "    await append(session, fence_audit.of_acquire([], refused, now))\n    repeated",
            ),
        ),
        (Proof.tests(A2, f"{ACQUIRE}::test_the_permit_its_use_and_its_record_are_one_commit"),),
    ),
    Mutant(
        "use-not-taken-back",
        "what was not sent, or may have been, stays in the citizen's log as shown",
        A1,
        (
            Edit(
                FENCE,
                "    await uses_store.correct(session, ((part.use, part.outcome) for part in ended))\n",
                "",
            ),
        ),
        (Proof.tests(A1, f"{ACQUIRE}::test_the_use_row_is_touched_for_what_was_not_or_may_not_have_been_sent"),),
    ),
    Mutant(
        "lease-begins-anew",
        "a repeated acquire extends the lease that a withdrawal waits for",
        T1,
        (
            Edit(
                FENCE,
                "    left_ms = max(0, (known.lease_until - now) // timedelta(milliseconds=1))\n",
                "    left_ms = 5_000\n",
            ),
        ),
        (Proof.tests(T1, f"{ACQUIRE}::test_a_repeated_acquire_after_the_lease_answers_that_nothing_is_left_of_it"),),
    ),
)
