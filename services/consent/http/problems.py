"""The one translation from the domain's refusals to problem documents, and the one reading of a number at a door."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from libs.common.http.problems import ConflictError, ForbiddenError, InvalidError, NotFoundError
from services.consent.http.idempotency_store import KeyReusedError
from services.consent.model.calendar import danish_date
from services.consent.model.cpr import Cpr, born_by, parse
from services.consent.model.errors import (
    AlreadyDeclaredError,
    CprError,
    IllegalTransitionError,
    NoSuchError,
    NotSpecificError,
    NotYourDeclarationError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raises the problem that a refusal inside the block is to the caller."""
    try:
        yield
    except (NotSpecificError, CprError) as error:
        raise InvalidError(error.field, error.message, error.known) from None
    except NoSuchError:
        raise NotFoundError from None
    except NotYourDeclarationError:
        raise ForbiddenError from None
    except AlreadyDeclaredError:
        raise ConflictError("You have already declared on this consent.") from None
    except IllegalTransitionError:
        raise ConflictError("The consent's status does not allow it.") from None
    except KeyReusedError:
        raise ConflictError("The idempotency key was used for another request.") from None


def number_in(text: str) -> Cpr:
    """The CPR number in `text`, of somebody who is born. Raises CprError."""
    return born_by(parse(text), danish_date(datetime.now(UTC)))
