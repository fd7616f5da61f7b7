"""Every table of the advis database, on one MetaData: what a migration is made from and compared with."""

from sqlalchemy import Table

from services.advis.cases import tables as cases
from services.advis.inbox import tables as inbox
from services.advis.model.tables import metadata
from services.advis.notifications import tables as notifications

__all__ = ["TABLES", "metadata"]

TABLES = (cases, inbox, notifications)
assert all(
    table.metadata is metadata for module in TABLES for table in vars(module).values() if isinstance(table, Table)
)
