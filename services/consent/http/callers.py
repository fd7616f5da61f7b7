"""Who calls, as the audit trail names them; and the refusals that a caller is given in HTTP's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request

from libs.common.http.auth import Principal
from libs.common.http.problems import ConflictError, ForbiddenError, PreconditionError
from services.consent.http.audit import Actor
from services.consent.http.problems import translated
from services.consent.model.errors import (
    AlreadyAskedError,
    AlreadyRemindedError,
    AlreadyRepresentedError,
    NotOpenError,
    OwnMatterError,
    SecondEmployeeError,
    StaleAuthorityError,
    TooSoonError,
)

ASSURANCE = frozenset({"Substantial", "High"})  # NSIS; a citizen acts at Substantial at least (R39)


def assurance_of(caller: Principal) -> str:
    """The level as one word, also where the broker gives it as the address of the concept."""
    return (caller.assurance or "").rpartition("/")[2]


def actor_of(request: Request, name: str, role: str, *, giver: UUID | None = None, unit: str | None = None) -> Actor:
    """Who acts, for the record, with this request's correlation id."""
    return Actor(name, role, correlation_id=request.scope["state"]["correlation_id"], giver=giver, unit=unit)


class NotBeforeError(ConflictError):
    """409 with the moment from which it may be tried again; null when no moment is known."""

    def __init__(self, detail: str, not_before: datetime | None) -> None:
        super().__init__(detail)
        self.not_before = not_before

    def document(self) -> dict[str, Any]:
        """The base document and `not_before` (RFC 9457 §3.2)."""
        moment = None if self.not_before is None else self.not_before.astimezone(UTC).isoformat()
        return {**super().document(), "not_before": moment}


@contextmanager
def told() -> Iterator[None]:
    """Raises the problem that a refusal of a request's life is to the caller."""
    try:
        with translated_for_staff():
            yield
    except AlreadyAskedError:
        raise ConflictError("The same question waits for the citizen's answer already.") from None
    except AlreadyRemindedError:
        raise ConflictError("The citizen has been reminded already; once is the most.") from None
    except NotOpenError:
        raise ConflictError("The request waits for no answer any more.") from None
    except TooSoonError as error:
        raise NotBeforeError("It is too soon; not before `not_before`.", error.not_before) from None


@contextmanager
def translated_for_staff() -> Iterator[None]:
    """As `translated`, with the refusals that only staff meet."""
    try:
        with translated():
            yield
    except OwnMatterError:
        raise ForbiddenError from None
    except SecondEmployeeError:
        raise ConflictError("A second employee must decide: it was you who registered it.") from None
    except AlreadyRepresentedError:
        raise ConflictError("This person has an authority for this citizen already.") from None
    except StaleAuthorityError:
        raise PreconditionError from None
