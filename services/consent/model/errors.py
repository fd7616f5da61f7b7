"""Refusals in the words of the domain; the edge translates them once, to a status code and a field."""

from datetime import datetime


class ConsentError(Exception):
    """Base of every refusal here. `field` names what in the request was wrong; empty when it is the act itself."""

    def __init__(self, message: str, *, field: str = "", known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.known = known


class NoSuchError(Exception):
    """What was named is not there, or not this caller's to know of. Outside it is one answer: 404 (R1)."""


class NotSpecificError(ConsentError):
    """A consent that is not concrete, not offered, or not exactly what the catalogue's text says (R2, R3, R9, R10)."""


class NotYourDeclarationError(ConsentError):
    """This person's declaration is not among those that the age and custody rules ask for (R11)."""


class SecondEmployeeError(ConsentError):
    """Four eyes are asked for, and these are the same two (U4)."""


class OwnMatterError(ConsentError):
    """An employee acts in a matter of their own, or of their child's."""


class NotYoursError(ConsentError):
    """An employee acts between units that are not theirs (R15, R37)."""


class LaterNoError(ConsentError):
    """The citizen has said no after what is now to be registered: their later word stands."""


class AlreadyDeclaredError(ConsentError):
    """The same person has already declared on this consent."""


class NotOpenError(ConsentError):
    """The request has been answered, has lapsed or was taken back."""


class AlreadyAskedError(ConsentError):
    """The same question waits for the citizen's answer already."""


class AlreadyRemindedError(ConsentError):
    """The citizen has been reminded of the request once; that is all (U8)."""


class TooSoonError(ConsentError):
    """It may be done again, or at all, from `not_before` on; None: for as long as the citizen's refusal stands (R5)."""

    def __init__(self, message: str, *, not_before: datetime | None) -> None:
        super().__init__(message)
        self.not_before = not_before


class IllegalTransitionError(ConsentError):
    """The status does not allow the act; see `consent.TRANSITIONS`."""


class CprError(ConsentError):
    """Not a civil registration number. Never carries the number."""


class CatalogueError(Exception):
    """Reference data that contradicts itself. The message names the file, the entry and the field."""

    def __init__(self, file: str, entry: str, field: str, problem: str) -> None:
        super().__init__(f"{file}: {entry}: {field}: {problem}")
        self.file = file
        self.entry = entry
        self.field = field
        self.problem = problem


class AlreadyRepresentedError(Exception):
    """This person has an authority for this citizen already: end that one first."""


class StaleAuthorityError(Exception):
    """The authority changed since it was read."""


class NoSuchConsentError(NoSuchError):
    """This citizen has no such consent."""
