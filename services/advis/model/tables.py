"""The tables of the advis database: the only source of truth for the migration.

No row says why anything was refused, and none holds a CPR number, a name or free text (P2, P10).
Subscriptions and endpoints are reference data read from files, not tables: nothing here may change them.
"""

from libs.common.consuming.inbox import inbox_tables, parked_tables
from libs.common.consuming.reported import reported_tables
from libs.common.database.tables import metadata_of
from libs.common.outbox.outbox import outbox_tables
from libs.common.running.alarms import alarm_tables

metadata = metadata_of(unique="%(table_name)s_uq")
outbox_tables(metadata)
inbox_tables(metadata)
parked_tables(metadata)
reported_tables(metadata)
alarm_tables(metadata)
