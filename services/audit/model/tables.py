"""The tables of the audit database: the only source of truth for the migrations, and what binds them together.

1. `leaf`, `batch`, `subtree`, `watermark`, `checkpoint`, `log_key` are append-only for everybody (triggers) and the
   runtime role may INSERT and SELECT at most. `opening` and `subject_key` may be deleted, by the eraser's role alone.
2. A leaf's hash is the hash of its body, and a column that is searched says what the body says: CHECKed, because an
   edited search column is invisible to whoever verifies the tree only.
3. `batch.prev_size` is UNIQUE: of all sequencers that saw one head, one wins. Sequences give no numbers here: a
   rollback would leave a hole in the tree.
"""

from libs.common.consuming.inbox import inbox_tables
from libs.common.database.tables import metadata_of
from libs.common.outbox.outbox import outbox_tables
from libs.common.running.alarms import alarm_tables

metadata = metadata_of()
outbox_tables(metadata)
inbox_tables(metadata)
alarm_tables(metadata)
