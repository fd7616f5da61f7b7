"""A source system as the catalogue has it: what it may report is reference data with validity (R35)."""

from dataclasses import dataclass

from services.consent.catalogue.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Entry):
    """One client's right to report: its CloudEvents sources, and patterns of event types and units.

    Of the two words: `source` says where the entry is decided, as for every entry; `event_sources` are the senders.
    """

    client_id: str
    event_sources: tuple[str, ...]
    event_types: tuple[str, ...]
    units: tuple[str, ...]
    civil_registration: bool
