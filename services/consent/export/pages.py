"""The lists of an export, page by page: each page is a short transaction of its own, however long the history is.

What a page shows is what the citizen's own lists show, so nothing is in an export that a citizen could not read, and
nothing that they can is left out.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from libs.common.database.database import ReadSession
from libs.common.running.sweep import Readable
from libs.common.wire.identifiers import LAST
from services.consent.catalogue.entries import Catalogue
from services.consent.catalogue.labels import body, digest
from services.consent.citizens import authorities_store
from services.consent.consents import store as consents_store
from services.consent.consents.consent import Consent
from services.consent.consents.ending import as_of, months_of
from services.consent.export.schemas import ExportedConsent, ExportedNotice, ExportedText
from services.consent.grants.views import consent_view
from services.consent.http.shapes import Answer
from services.consent.legal_bases import store as legal_bases_store
from services.consent.legal_bases.schemas import basis_view
from services.consent.model.bilingual import LANGUAGES, Language
from services.consent.notices import store as notices_store
from services.consent.overview import store as overview_store
from services.consent.overview.store import KeptRevision
from services.consent.receipts import store as receipts_store
from services.consent.receipts.api import ReceiptView
from services.consent.refusals import store as refusals_store
from services.consent.refusals.api import refusal_view
from services.consent.representation.schemas import authority_view
from services.consent.requests import store as requests_store
from services.consent.requests.views import waiting_view
from services.consent.restrictions import store as restrictions_store
from services.consent.restrictions.api import restriction_view
from services.consent.uses import pages_store
from services.consent.uses.api import UseView

PAGE = 100
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), LAST)  # some things begin later than now
_Found = TypeVar("_Found")
Read = Callable[[Callable[[ReadSession], Awaitable["ExportPage"]]], Awaitable["ExportPage"]]


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Some of a list, and what to go on after; None at the end."""

    items: tuple[Answer, ...]
    after: Any = None


@dataclass
class ExportPages:
    """The lists about one citizen as `reader` may see them at `now`.

    `read` runs one transaction; `actors`: whose acts' receipts are the reader's to see; None: all (R34).
    """

    borger_id: UUID
    reader: UUID
    language: Language
    now: datetime
    catalogue: Catalogue
    read: Read
    actors: Collection[UUID] | None
    _texts: dict[tuple[str, int, str], ExportedText] = field(default_factory=dict)

    async def of(self, name: str) -> AsyncIterator[Answer]:
        """Every item of a list, newest first. `texts` are known once `consents` have been read to the end."""
        after: Any = None
        while True:
            page = await self.read(partial(self.PAGES[name], self, after))
            for item in page.items:
                yield item
            after = page.after
            if after is None:
                return

    async def _consents_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await consents_store.page(
            session,
            self.borger_id,
            None,
            purposes=None,
            now=self.now,
            ceilings=months_of(self.catalogue, self.now),
            after=after or _NEWEST,
            limit=PAGE,
        )
        histories = await overview_store.histories_of(session, [item.consent_id for item in found])
        for item in found:
            self._keep_text(item)
        return _page(
            found, lambda item: self._consent(item, histories.get(item.consent_id, [])), "requested_at", "consent_id"
        )

    def _consent(self, consent: Consent, history: list[KeptRevision]) -> ExportedConsent:
        view = consent_view(
            as_of(consent, self.catalogue, self.now), self.reader, now=self.now, catalogue=self.catalogue
        )
        return ExportedConsent.of(view, history=history)

    def _keep_text(self, consent: Consent) -> None:
        key = (consent.text_code, consent.text_version, consent.language)
        if key not in self._texts:
            words = next(_shown(consent, self.catalogue), None)
            self._texts[key] = ExportedText(
                code=key[0], version=key[1], language=key[2], sha256=consent.text_sha256, words=words
            )

    async def _texts_page(self, _after: Any, _session: ReadSession) -> ExportPage:
        return ExportPage(tuple(self._texts.values()))

    async def _requests_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await requests_store.page(session, self.borger_id, purposes=None, before=after or _NEWEST, limit=PAGE)
        return _page(found, lambda item: waiting_view(item, self.catalogue, self.now), "requested_at", "request_id")

    async def _refusals_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await refusals_store.page(
            session, self.borger_id, purposes=None, lifted=None, before=after or _NEWEST, limit=PAGE
        )
        return _page(found, refusal_view, "recorded_at", "refusal_id")

    async def _restrictions_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await restrictions_store.page(session, self.borger_id, after or _NEWEST, PAGE)
        return _page(found, restriction_view, "restriction.recorded_at", "restriction.restriction_id")

    async def _other_bases_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await legal_bases_store.page_of_citizen(session, self.borger_id, after or _NEWEST, PAGE)
        return _page(
            found,
            lambda item: basis_view(item, self.catalogue, self.now, self.language),
            *("basis.valid_from", "basis.basis_id"),
        )

    async def _representatives_page(self, _after: Any, session: ReadSession) -> ExportPage:
        found = await authorities_store.shown_to(session, self.borger_id)
        return ExportPage(tuple(authority_view(item, self.now) for item in found))

    async def _notices_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await notices_store.page_of_citizen(
            session, self.borger_id, unseen=False, before=after or _NEWEST, limit=PAGE
        )
        return _page(found, ExportedNotice.of, "at", "notice_id")

    async def _uses_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await pages_store.page(session, self.borger_id, purposes=None, after=after, limit=PAGE)
        return _page(found, UseView.of, "first_at", "notification_id", "kind")

    async def _receipts_page(self, after: Any, session: ReadSession) -> ExportPage:
        found = await receipts_store.page(session, self.borger_id, actors=self.actors, before=after, limit=PAGE)
        return _page(found, ReceiptView.of, "sequence")

    PAGES: ClassVar[dict[str, Callable[["ExportPages", Any, ReadSession], Awaitable[ExportPage]]]] = {
        "consents": _consents_page,
        "texts": _texts_page,
        "requests": _requests_page,
        "refusals": _refusals_page,
        "restrictions": _restrictions_page,
        "other_bases": _other_bases_page,
        "representatives": _representatives_page,
        "notices": _notices_page,
        "uses": _uses_page,
        "receipts": _receipts_page,
    }


def _page(found: Readable[_Found], view: Callable[[_Found], Answer], *place: str) -> ExportPage:
    """What was found as it is shown; `place`: the attributes by which the list goes on after the last of it."""
    return ExportPage(tuple(map(view, found)), attrgetter(*place)(found[-1]) if found.reaches(PAGE) else None)


def _shown(consent: Consent, catalogue: Catalogue) -> Iterator[str]:
    """The words whose hash the consent keeps: the text's version, under the law's words of the day."""
    for text in catalogue.texts.get(consent.text_code, ()):
        for law in catalogue.legal_bases.get(text.legal_basis, ()):
            for language in LANGUAGES:
                if text.version == consent.text_version and law.consequence is not None:
                    words = body(text, law.consequence, language)
                    if digest(words) == consent.text_sha256:
                        yield words
