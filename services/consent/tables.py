"""Every table of the consent database, on one MetaData: what a migration is made from and compared with."""

from sqlalchemy import Table

from services.consent.attestations import tables as attestations
from services.consent.catalogue import tables as catalogue
from services.consent.citizens import tables as citizens
from services.consent.consents import tables as consents
from services.consent.drains import tables as drains
from services.consent.fence import tables as fence
from services.consent.http import tables as http
from services.consent.legal_bases import tables as legal_bases
from services.consent.lifecycle import tables as lifecycle
from services.consent.model.tables import metadata
from services.consent.notices import tables as notices
from services.consent.receipts import tables as receipts
from services.consent.refusals import tables as refusals
from services.consent.requests import tables as requests
from services.consent.restrictions import tables as restrictions
from services.consent.scopes import tables as scopes
from services.consent.uses import tables as uses

__all__ = ["TABLES", "metadata"]

TABLES = (
    attestations,
    catalogue,
    citizens,
    consents,
    drains,
    fence,
    http,
    legal_bases,
    lifecycle,
    notices,
    receipts,
    refusals,
    requests,
    restrictions,
    scopes,
    uses,
)
assert all(
    table.metadata is metadata for module in TABLES for table in vars(module).values() if isinstance(table, Table)
)
