"""Everything that this service keeps about a citizen, in a form that a machine can read (GDPR art. 15 and 20).

No employee is named (R25); who looked things up is in the audit log, which is the citizen's to read too.
"""

from typing import Literal
from uuid import UUID

from libs.common.wire.messages import Code
from libs.common.wire.values import Moment
from services.consent.grants.schemas import ConsentView
from services.consent.http.shapes import Answer, Digest, Status
from services.consent.legal_bases.schemas import BasisView
from services.consent.overview.schemas import OverviewContact
from services.consent.receipts.api import ReceiptView
from services.consent.refusals.api import RefusalView
from services.consent.representation.schemas import AuthorityView
from services.consent.requests.schemas import WaitingRequest
from services.consent.restrictions.api import RestrictionView
from services.consent.uses.api import UseView


class ExportedRevision(Answer):
    """A revision of a consent: what it covered from then on, and the kind of act that made it."""

    revision: int
    at: Moment
    status: Status
    actor_kind: str
    reason: str | None
    categories: tuple[Code, ...]
    valid_until: Moment


class ExportedConsent(ConsentView):
    """A consent with every revision, oldest first."""

    history: tuple[ExportedRevision, ...]


class ExportedText(Answer):
    """A text that a consent was given under. `words`: as they were shown; their SHA-256 is `sha256` (R10).

    Null when the catalogue no longer has them; the hash then still says which they were.
    """

    code: Code
    version: int
    language: str
    sha256: Digest
    words: str | None


class ExportedNotice(Answer):
    """What the citizen was told."""

    notice_id: UUID
    kind: str
    object_id: UUID
    at: Moment
    seen_at: Moment | None


class Accesses(Answer):
    """Where to read who looked what up and why: at the audit service, with a token from here."""

    token: str
    entries: str


class Export(Answer):
    """The whole. Lists are newest first. `complete` comes last: without it the file broke off."""

    conformsTo: Literal["urn:samtykkebro:export:1"]  # noqa: N815 - the word of JSON-LD, as in receipts
    borger_id: UUID
    issuer: str
    generated_at: Moment
    municipality: OverviewContact | None
    accesses: Accesses
    consents: tuple[ExportedConsent, ...]
    texts: tuple[ExportedText, ...]
    requests: tuple[WaitingRequest, ...]
    refusals: tuple[RefusalView, ...]
    restrictions: tuple[RestrictionView, ...]
    other_bases: tuple[BasisView, ...]
    representatives: tuple[AuthorityView, ...]
    notices: tuple[ExportedNotice, ...]
    uses: tuple[UseView, ...]
    receipts: tuple[ReceiptView, ...]
    complete: Literal[True]


LISTS = (
    *("consents", "texts", "requests", "refusals", "restrictions", "other_bases", "representatives", "notices"),
    *("uses", "receipts"),
)
