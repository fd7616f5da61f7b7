"""Every table of the audit database, on one MetaData: what a migration is made from and compared with."""

from sqlalchemy import Table

from services.audit.checkpoints import tables as checkpoints
from services.audit.keys import tables as keys
from services.audit.log import tables as log
from services.audit.model.tables import metadata
from services.audit.tree import tables as tree

__all__ = ["TABLES", "metadata"]

TABLES = (checkpoints, keys, log, tree)
assert all(
    table.metadata is metadata for module in TABLES for table in vars(module).values() if isinstance(table, Table)
)
