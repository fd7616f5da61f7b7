"""What the runtime role may do with each table: what its work needs, and no more. Applied by the migrations.

Reference data grows by versions and is never deleted: of a version nothing but its end changes. The fence's generation
is the owner's; history, receipts and declarations are only ever added to.
"""

from libs.common.consuming.inbox import INBOX_GRANTS, PARKED_GRANTS
from libs.common.consuming.reported import REPORTED_GRANTS
from libs.common.outbox.outbox import OUTBOX_GRANTS
from libs.common.running.alarms import ALARM_GRANTS

RUNTIME_ROLE = "consent"
GRANTS = {
    "authority": "SELECT, INSERT, UPDATE",
    "attestation": "SELECT, INSERT, UPDATE",
    "citizen": "SELECT, INSERT, UPDATE",
    "custody": "SELECT, INSERT, DELETE",
    "custody_fact": "SELECT, INSERT, UPDATE, DELETE",
    "case_fact": "SELECT, INSERT, UPDATE, DELETE",
    "life_fact": "SELECT, INSERT, UPDATE",
    "catalogue_entry": "SELECT, INSERT, UPDATE (valid_to, body, ended)",
    "catalogue_revision": "SELECT, UPDATE (revision)",
    "consent": "SELECT, INSERT, UPDATE",
    "consent_history": "SELECT, INSERT",
    "declaration": "SELECT, INSERT",
    "consent_request": "SELECT, INSERT, UPDATE",
    "request_item": "SELECT, INSERT, UPDATE",
    "refusal": "SELECT, INSERT, UPDATE",
    "other_basis": "SELECT, INSERT, UPDATE",
    "receipt": "SELECT, INSERT",
    "idempotency": "SELECT, INSERT, UPDATE, DELETE",
    "scope": "SELECT, INSERT, UPDATE",
    "coverage": "SELECT, INSERT, UPDATE",
    "fence_generation": "SELECT",
    "withdrawal": "SELECT, INSERT, UPDATE",
    "withdrawal_scope": "SELECT, INSERT",
    "withdrawal_part": "SELECT, INSERT",
    "holder": "SELECT, INSERT, UPDATE",
    "fence_order": "SELECT, INSERT",
    "permit": "SELECT, INSERT, UPDATE, DELETE",
    "permit_scope": "SELECT, INSERT, DELETE",
    "use_log": "SELECT, INSERT, UPDATE",
    "notice": "SELECT, INSERT, UPDATE",
    "restriction": "SELECT, INSERT, UPDATE",
    **OUTBOX_GRANTS,
    **INBOX_GRANTS,
    **PARKED_GRANTS,
    **REPORTED_GRANTS,
    **ALARM_GRANTS,
}
