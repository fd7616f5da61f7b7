"""The wire contract of the fence (`advis` and supervisors → `consent`): what each call carries.

The protocol and its reasons: `docs/fence.md`. Batches are the normal form; one item is a batch of one.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.wire.identifiers import RECORDED, CorrelationId, EventId, EventType, Identity, TopicName, Uuid
from libs.common.wire.messages import Code
from libs.common.wire.values import INTEGER_MAX, VERSION_MAX, Flag, Moment, Whole

BATCH_MAX = 500  # items in one call

Kind = Literal["inbox", "stream", "api", "doorbell", "digest", "mail"]
Outcome = Literal["disclosed", "not_sent", "unknown"]
Slot = Annotated[
    str,
    Field(pattern=r"^[a-z0-9-]{1,40}/[a-z0-9-]{1,40}$", description="<supervisor client id>/<name>"),
    RECORDED,
]
DeathProof = Literal["reaped", "lock", "boot", "operator"]


class Strict(BaseModel):
    """Frozen, and refusing what it does not know: the base of every request and answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Position(Strict):
    """Where a record lies on the bus."""

    topic: TopicName
    partition: Whole = Field(ge=0, le=VERSION_MAX)
    offset: Whole = Field(ge=0, le=INTEGER_MAX)


class Arrival(Strict):
    """One case event as `advis` received it. `position` is where it lies on the bus."""

    event_id: EventId
    type: EventType
    borger_id: Uuid
    holder_unit: Code
    occurred_at: Moment
    position: Position
    correlation_id: CorrelationId | None = None
    first_parked: Moment | None = Field(
        default=None, description="of a record that an operator sent again: only what was covered then has an opening"
    )


class Revealed(Strict):
    """What is told about whom, and the scope's epoch when the event arrived."""

    borger_id: Uuid
    category: Code
    epoch: Whole = Field(ge=0, le=INTEGER_MAX)


class Opening(Strict):
    """A consent-side possibility: this unit may be told this, in the case it has about `subject`."""

    recipient_unit: Code
    purpose: Code
    subject: Uuid
    reveals: tuple[Revealed, ...] = Field(min_length=1)


class ArrivalsRequest(Strict):
    """`POST /v1/arrivals`: which openings do these events have."""

    items: tuple[Arrival, ...] = Field(min_length=1, max_length=BATCH_MAX)


class ArrivalAnswer(Strict):
    """`openings` is empty whatever the reason. `not_yet`: consent has not consumed the bus that far; ask again."""

    event_id: str
    not_yet: Flag = False
    openings: tuple[Opening, ...] = ()


class ArrivalsAnswer(Strict):
    """One answer for each item, in the order asked."""

    items: tuple[ArrivalAnswer, ...]


class PermitItem(Strict):
    """The right to make one disclosure, asked for. `permit_id` is the caller's; repeating it repeats the answer."""

    permit_id: Uuid
    notification_id: Uuid
    kind: Kind
    actor: Annotated[Identity, Field(description="employee id, or the receiving system's client id")]
    event_type: EventType
    holder_unit: Code
    recipient_unit: Code
    purpose: Code
    reveals: tuple[Revealed, ...] = Field(min_length=1, max_length=10)
    correlation_id: CorrelationId | None = None


class AcquireRequest(Strict):
    """May be empty: an inbox read makes exactly one acquire call, with candidates or without."""

    items: tuple[PermitItem, ...] = Field(max_length=BATCH_MAX)


class Permit(Strict):
    """A right granted. `lease_ms` runs on the holder's monotonic clock from before the request was sent.

    `consents` are the ids it rests on; empty when it rests on another legal basis.
    """

    permit_id: Uuid
    lease_ms: Whole
    consents: tuple[Uuid, ...] = ()


class AcquireAnswer(Strict):
    """The permits granted; what is missing was refused, and no reason is given."""

    granted: tuple[Permit, ...]


class PreviewAnswer(Strict):
    """`POST /v1/permits:preview`: which of the items would be granted now. An opinion; it permits nothing."""

    would_grant: tuple[Uuid, ...]


class SettleItem(Strict):
    """How one disclosure ended. `unknown`: bytes may have left."""

    permit_id: Uuid
    outcome: Outcome


class SettleRequest(Strict):
    """`POST /v1/permits:settle`: always succeeds, may be repeated, also for ids never seen."""

    items: tuple[SettleItem, ...] = Field(min_length=1, max_length=BATCH_MAX)


class HolderRegistration(Strict):
    """A supervisor: I am about to start this incarnation in this slot."""

    holder_id: Uuid
    slot: Slot


class HolderRegistered(Strict):
    """`token` is the incarnation's credential (`Authorization: Bearer`), shown once and never stored in clear."""

    holder_id: Uuid
    token: str


class FenceOrders(Strict):
    """The incarnations of this slot that must be killed, reaped and confirmed dead."""

    holder_ids: tuple[Uuid, ...]


class HolderDead(Strict):
    """`POST /v1/holders/{id}:dead`: how the death was established (docs/fence.md, Death)."""

    proof: DeathProof
