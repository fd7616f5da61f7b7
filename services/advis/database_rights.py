"""What the runtime role may do with each table."""

from libs.common.consuming.inbox import INBOX_GRANTS, PARKED_GRANTS
from libs.common.consuming.reported import REPORTED_GRANTS
from libs.common.outbox.outbox import OUTBOX_GRANTS
from libs.common.running.alarms import ALARM_GRANTS

GRANTS = {
    "case_registry": "SELECT, INSERT, UPDATE",
    "case_step": "SELECT, INSERT, DELETE",
    "notification": "SELECT, INSERT, UPDATE, DELETE",
    "doorbell": "SELECT, INSERT, UPDATE, DELETE",
    "ingested": "SELECT, INSERT, DELETE",
    "reading": "SELECT, INSERT, UPDATE, DELETE",
    **OUTBOX_GRANTS,
    **INBOX_GRANTS,
    **PARKED_GRANTS,
    **REPORTED_GRANTS,
    **ALARM_GRANTS,
}
