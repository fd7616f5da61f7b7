"""The metadata that every table of consent joins. All times are `timestamptz`."""

from libs.common.consuming.inbox import inbox_tables, parked_tables
from libs.common.consuming.reported import reported_tables
from libs.common.database.tables import metadata_of
from libs.common.outbox.outbox import outbox_tables
from libs.common.running.alarms import alarm_tables

metadata = metadata_of()
outbox_tables(metadata)
inbox_tables(metadata)
parked_tables(metadata)
reported_tables(metadata)
alarm_tables(metadata)
