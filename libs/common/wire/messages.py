"""The wire contract on the bus: what the `data` of each CloudEvent holds.

Additive only: a reader ignores fields it does not know, a writer never removes or renames one.
No field may hold a CPR number, a name or free text (P10): every string is a code, an identifier or a time.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from libs.common.wire.identifiers import (
    IDENTITY_MAX,
    RECORDED,
    UNIT_MAX,
    UNIT_PATTERN,
    Uuid,
    holds_personal_number,
    is_id,
    mask_personal_numbers,
)
from libs.common.wire.values import INTEGER_MAX, Moment, Whole

CASE_EVENTS = "case.events"  # the former one topic of all sources; each has its own now, CASE_EVENTS.<source>
HTTP_EVENTS = "case.events.http"  # what came through POST /v1/case-events; only advis's relay writes it
CONSENT_EVENTS = "consent.events"
AUDIT_ENTRIES = "audit.entries"
DEAD_LETTER_SUFFIX = ".dead-letter"
TOPICS = (CASE_EVENTS, HTTP_EVENTS, CONSENT_EVENTS, AUDIT_ENTRIES)
CUSTODY_HOLDERS_MAX = 10  # the law knows two; a source that names more is refused
PURPOSES_MAX = 50  # of one act
OBJECTS_MAX = 30  # identifiers that one entry names
LANES = 16  # audit.entries is numbered per lane; lane = hash(borger_id) mod LANES

# None of these can hold a CPR number (P10): the last two for lack of digits.
Code = Annotated[str, Field(pattern=UNIT_PATTERN, max_length=UNIT_MAX), RECORDED]
EmployeeId = Annotated[str, Field(pattern=r"^[a-z]{1,8}[0-9]{1,8}$", description="staff pseudonym, e.g. bif101")]
CaseReference = Annotated[str, Field(pattern=r"^[A-Z]{2,6}-[0-9]{2}-[0-9]{1,6}$", description="e.g. BIF-26-1001")]


# On the record a text is one line that can be stored: an entry with a control character is rejected, not tried again.
Word = Annotated[str, Field(pattern=r"^[!-~]*$")]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=300)]


class Message(BaseModel):
    """Frozen, tolerant of unknown fields: the base of everything read from the bus."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CaseEventData(Message):
    """`case.events`: something happened in `unit`'s case about the event's subject (a borger_id)."""

    unit: Code
    case_reference: CaseReference | None = None
    caseworker: EmployeeId | None = None
    custody_holders: tuple[Uuid, ...] | None = Field(
        default=None,
        max_length=CUSTODY_HOLDERS_MAX,
        description="cpr.foraeldremyndighed_aendret only: every custody holder from now on",
    )
    annulled: StrictBool | None = Field(
        default=None, description="with the attribute `corrects` only: what the corrected event says did not happen"
    )


ConsentChange = Literal[
    "samtykke.afgivet",
    "samtykke.afvist",
    "samtykke.tilbagekaldt",
    "samtykke.udloebet",
    "samtykke.lukket",
    "samtykke.snart_udloeber",
]


class ConsentEventData(Message):
    """`consent.events`: something changed in a scope; the reader must ask again, never decide from this."""

    purpose: Code
    recipient_unit: Code
    consent_id: Uuid | None = None
    epoch: Whole = Field(ge=0, le=INTEGER_MAX)


class AuditEntry(Message):
    """`audit.entries`: one processing act about at most one person (an act about two is two entries)."""

    id: Uuid
    type: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", description="e.g. disclosure.permitted")]
    action: Literal["C", "R", "U", "D", "E"]
    outcome: Literal["success", "refused", "failure"]
    occurred_at: Moment
    subject: Uuid | None = None
    actor: Word = Field(
        max_length=IDENTITY_MAX, description="employee id, client id, `citizen` or the service's own name"
    )
    actor_role: Word = Field(max_length=40)
    unit: Code | None = None
    purposes: tuple[Code, ...] = Field(default=(), max_length=PURPOSES_MAX)
    legal_basis: Code | None = None
    notice_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    objects: dict[Line, Line] = Field(
        default_factory=dict,
        max_length=OBJECTS_MAX,
        description="identifiers: consent_id, permit_id, notification_id, event_id, receipt_id, …",
    )
    reason: Line | None = Field(default=None, max_length=80, description="a code, never free text")
    correlation_id: Word | None = Field(default=None, max_length=64)
    retention_class: Literal["lookup", "consent_evidence", "operations"] = "lookup"


_TEXTS = ("actor", "actor_role", "reason", "correlation_id")
# Objects that are plain numbers of our own counting, however long.
_NUMBERS = frozenset({"alarm_id", "asked", "permitted", "revision", "searched_below", "version"})


def without_personal_numbers(entry: AuditEntry) -> AuditEntry:
    """`entry`, with whatever in its texts reads as a personal number masked (P10); `entry` itself where nothing does.

    The doors refuse such texts. A number that got past them is masked and not refused here: an entry that cannot be
    written would stop the act that it is about, and a withdrawal is never stopped.
    """
    texts = {name: text for name in _TEXTS if (text := getattr(entry, name)) is not None}
    objects = {name: text for name, text in entry.objects.items() if name not in _NUMBERS}
    if not holds_personal_number(" x ".join((*texts.values(), *objects, *objects.values()))):
        return entry
    safe = {_recorded(name): text if name in _NUMBERS else _recorded(text) for name, text in entry.objects.items()}
    changed = {name: _recorded(text) for name, text in texts.items()} | {"objects": safe}
    return entry if changed == texts | {"objects": entry.objects} else entry.model_copy(update=changed)


def _recorded(text: str) -> str:
    return text if is_id(text) else mask_personal_numbers(text)


def seconds(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds and `Z`: the one form of a time in anything signed."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
