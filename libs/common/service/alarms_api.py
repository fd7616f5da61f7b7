"""The door to the alarms, the same in every service: for the operator and the data protection officer.

An alarm names things of ours and never a person. Who acknowledges one stands on the record.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from libs.common.database.database import WriteSession, clock
from libs.common.database.transaction import committed, looked_up
from libs.common.http.auth import Principal, require
from libs.common.http.cursors import CURSOR_CHARS_MAX, opened, sealed
from libs.common.http.door import Router
from libs.common.http.problems import NotFoundError
from libs.common.observing.log import current_correlation
from libs.common.outbox.outbox import append, audit_message
from libs.common.running import alarms
from libs.common.wire.messages import AuditEntry
from libs.common.wire.values import DECIMAL, Switch

BIGINT_MAX = 2**63 - 1
PAGE_MAX, PAGE_DEFAULT = 200, 50
_PLACE: TypeAdapter[tuple[int]] = TypeAdapter(tuple[int])
_Id = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="`alarm_id` of the list"), DECIMAL]

router = Router(prefix="/v1", tags=["alarms"])


class Alarm(BaseModel):
    """One alarm. A repetition counts on the open row; after an acknowledgement it opens a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alarm_id: int
    code: str = Field(description="one of the codes in docs/operating.md")
    about: str = Field(description="the thing of ours that it is about: a topic and partition, a client, a sweep")
    count: int
    first_at: AwareDatetime
    last_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str | None


class AlarmPage(BaseModel):
    """The latest opened first. `next`: the `cursor` of the next page; null at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[Alarm, ...]
    next: str | None


@router.get("/alarms", summary="List the service's alarms")
async def list_alarms(
    request: Request,
    _principal: Annotated[Principal, Depends(require("operator", "dpo"))],
    acknowledged: Annotated[Switch | None, Query(description="only these; without: both")] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_CHARS_MAX, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="items in a page"), DECIMAL] = PAGE_DEFAULT,
) -> AlarmPage:
    """A page of this service's alarms, open and acknowledged."""
    before = None if cursor is None else opened(request, cursor, _PLACE)[0]
    wanted = partial(alarms.listed, before=before, acknowledged=acknowledged, limit=limit + 1)
    rows = await looked_up(request, wanted)
    items = tuple(Alarm(**row) for row in rows[:limit])
    return AlarmPage(items=items, next=sealed(request, (items[-1].alarm_id,)) if len(rows) > limit else None)


@router.post("/alarms/{alarm_id}:acknowledge", summary="Acknowledge an alarm")
async def acknowledge_alarm(
    request: Request, alarm_id: _Id, principal: Annotated[Principal, Depends(require("operator", "dpo"))]
) -> Alarm:
    """Close the alarm; one that is closed already is answered as it was closed."""

    async def acknowledge(session: WriteSession) -> Alarm:
        row, changed = await alarms.acknowledge(session, alarm_id, principal.subject)
        if row is None:
            raise NotFoundError
        if changed:
            entry = _acknowledged(row, principal, await clock(session))
            await append(session, [audit_message(request.app.state.service, entry)])
        return Alarm(**row)

    return await committed(request, acknowledge)


def _acknowledged(row: Mapping[str, Any], principal: Principal, at: datetime) -> AuditEntry:
    return AuditEntry(
        id=uuid4(),
        type="alarm.acknowledged",
        action="U",
        outcome="success",
        occurred_at=at,
        actor=principal.subject,
        actor_role="operator" if "operator" in principal.roles else "dpo",
        objects={"alarm_id": str(row["alarm_id"]), "code": str(row["code"])},
        correlation_id=current_correlation(),
        retention_class="operations",
    )
