"""Refusals in the words of the domain; the edge translates them once."""


class AdvisError(Exception):
    """The base of every refusal of this domain."""


class TransitionError(AdvisError):
    """This act is not possible in this state: there is no such pair in TRANSITIONS."""


class CaseOwnerError(AdvisError):
    """The case reference belongs to another citizen: applying it would show one person's events in another's case."""


class EventConflictError(AdvisError):
    """The same source used the same event id for something else."""
