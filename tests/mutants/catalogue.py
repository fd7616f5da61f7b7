"""Every mutant, in the order of the page, and which of them are the ones that the fence's own pages ask for."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.mutants import acquiring, disclosing, incoming, withdrawing
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*withdrawing.MUTANTS, *acquiring.MUTANTS, *disclosing.MUTANTS, *incoming.MUTANTS)

# What any withdrawal over services and a bus must be tried with.
EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "one-statement withdraw": "one-statement-withdraw",
        "REPEATABLE READ": "repeatable-read",
        "ack without drain": "ack-without-drain",
        "ignore deadline": "ignored-deadline",
        "no kill": "no-kill",
        "projection as authority": "projection-as-authority",
        "offset commit before DB commit": "position-before-effects",
        "no inbox key": "no-inbox-key",
        "new webhook-id per attempt": "new-webhook-id-per-attempt",
        "cursor relay": "cursor-relay",
        "NOTIFY without poll": "notify-without-poll",
        "async commit and a crash of PostgreSQL": "asynchronous-commit",
        "replay without permit": "replay-without-permit",
    }
)

# What this protocol must be tried with (`docs/fence.md`).
FENCE: Mapping[str, str] = MappingProxyType(
    {
        "permit freed by time": "permit-freed-by-time",
        "settle without tombstone": "settle-without-tombstone",
        "dead holder may acquire": "dead-holder-may-acquire",
        "a living holder confirmed dead": "living-holder-confirmed-dead",
        "lock and read in one statement": "lock-and-read-in-one-statement",
        "transaction time instead of the clock": "transaction-time",
        "drain only on withdrawal, not on refusal": "refusal-not-drained",
        "200 on a repeated withdrawal without a drain": "repeated-withdrawal-not-drained",
        "a repeated withdrawal that withdraws the newer consent": "repeated-withdrawal-ends-the-newer",
        "one scope locked for a family event": "one-scope-locked",
        "epoch equality instead of covered since": "epoch-equality",
        "absent scope row treated as yes": "absent-scope-row-is-yes",
        "settle before the buffer is empty": "settled-before-the-buffer-is-empty",
        "refused notification left open": "refused-notification-left-open",
    }
)
