"""Every refusal that leaves a service: one problem document (RFC 9457), made here and nowhere else.

1. A body says what the caller may know and nothing more: no SQL, no stack, no input, no existence.
2. 404, and 403 where a person is concerned, have one constant body each: "not yours" and "not there" are alike (P2).
3. 422 names the field as *we* named it and says what is expected; it never repeats what was sent (P10), because
   what was sent in the wrong field may be a CPR number.
4. An exception that nobody foresaw becomes a bare 500 carrying the correlation id, which leads to the log.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from starlette.responses import Response

from libs.common.observing.log import current_correlation
from libs.common.observing.metrics import REFUSALS

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 20  # field errors in one document
TYPE_PREFIX = "urn:samtykkebro:problem:"
FROM_THE_CONNECTION = {414: "URI too long", 431: "Request header fields too large"}  # raised before there is a request
TOKEN_BYTES_MAX = 8192
ESSENTIAL = ("exp", "iat", "sub", "client_id", "jti")  # claims without which a token is refused (RFC 9068 §2.2)
FAULTS = {
    "too_large": f"The token is larger than {TOKEN_BYTES_MAX} bytes.",
    "malformed": "The token is not a signed JWT.",
    "algorithm": "The token is signed with an algorithm that is not accepted.",
    "not_an_access_token": "The token is not an access token: its typ is not at+jwt.",
    "unknown_issuer": "The issuer of the token is not trusted here.",
    "unknown_key": "The token names a key that its issuer does not publish.",
    "wrong_key": "The key of the token does not fit its algorithm.",
    "signature": "The signature of the token does not hold.",
    "audience": "The token is for another audience.",
    "expired": "The token has expired.",
    "not_yet_valid": "The token is not valid yet.",
    "no_kid": "The token names no key (kid).",
    **{f"no_{claim}": f"The token lacks the claim {claim}." for claim in ESSENTIAL},
    **{f"bad_{claim}": f"The claim {claim} of the token is malformed." for claim in (*ESSENTIAL, "iss", "nbf")},
    **{
        f"form_of_{claim}": f"The claim {claim} of the token is not of its form."
        for claim in ("sub", "client_id", "unit", "host_unit")
    },
}
"""Step that refused → the sentence."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that could not be accepted. `message` and `known` are ours; neither may quote the input."""

    field: str
    message: str
    known: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The member of `errors`; `known` lists the accepted values where there is a list of them."""
        base: dict[str, Any] = {"field": self.field, "message": self.message}
        return {**base, "known": list(self.known)} if self.known else base


class Problem(Exception):  # noqa: N818 - the noun of RFC 9457; its kinds end in Error
    """A refusal with a status. Raise a subclass; `detail` must be a constant sentence, never built from input."""

    status: ClassVar[int] = 400
    kind: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "Bad request"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.kind)
        self.detail = detail
        self.errors = tuple(errors)[:ERRORS_MAX]
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The problem document as a plain mapping."""
        body: dict[str, Any] = {"type": TYPE_PREFIX + self.kind, "title": self.title, "status": self.status}
        if self.detail is not None:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [error.document() for error in self.errors]
        return body

    def response(self) -> Response:
        """The answer to send: `application/problem+json`, never stored by a cache."""
        REFUSALS.labels(self.kind).inc()
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(orjson.dumps(self.document()), self.status, headers, MEDIA_TYPE)


class UnauthenticatedError(Problem):
    """401: no credential, or one that does not hold (RFC 6750 §3). `fault`: the credential's own, never about data."""

    status, kind, title = 401, "unauthenticated", "Authentication required"

    def __init__(self, fault: str | None = None) -> None:
        """`fault`: a constant sentence without quotes; None where no credential was sent."""
        challenge = 'Bearer realm="samtykkebro"'
        if fault is not None:
            challenge += f', error="invalid_token", error_description="{fault}"'
        super().__init__(fault, headers={"WWW-Authenticate": challenge})


class _ConstantProblem(Problem):
    def __init__(self) -> None:
        super().__init__()  # takes nothing, so that it can say nothing


class ForbiddenError(_ConstantProblem):
    """403: the caller is known and may not. The constant body, for what must not tell whether a person is there."""

    status, kind, title = 403, "forbidden", "Forbidden"


class MissingRightError(Problem):
    """403 that names what the token lacks: a role, or a unit. Raise it only for what rests on the token alone."""

    status, kind, title = 403, "forbidden", "Forbidden"


class NotFoundError(_ConstantProblem):
    """404: not there, or not the caller's to know about."""

    status, kind, title = 404, "not-found", "Not found"


class MethodNotAllowedError(Problem):
    """405: the address exists with another method, named in `Allow`."""

    status, kind, title = 405, "method-not-allowed", "Method not allowed"


class NotAcceptableError(_ConstantProblem):
    """406: the address has no answer in the form that was asked for."""

    status, kind, title = 406, "not-acceptable", "Not acceptable"


class ConflictError(Problem):
    """409: the request contradicts the present state, or an earlier use of the same idempotency key."""

    status, kind, title = 409, "conflict", "Conflict"


class PreconditionError(Problem):
    """412: `If-Match` names another revision than the present one."""

    status, kind, title = 412, "precondition-failed", "Precondition failed"


class PreconditionRequiredError(Problem):
    """428: the change must name, in `If-Match`, the revision that it was made from (RFC 6585 §3)."""

    status, kind, title = 428, "precondition-required", "Precondition required"


class SlowBodyError(Problem):
    """408: the body did not come within the time that a body has."""

    status, kind, title = 408, "request-timeout", "Request timeout"


class TooLargeError(Problem):
    """413: the body exceeds the limit of the address."""

    status, kind, title = 413, "too-large", "Content too large"


class UnsupportedMediaTypeError(Problem):
    """415: the body is coded (`Content-Encoding`), or is of a media type that the address does not read."""

    status, kind, title = 415, "unsupported-media-type", "Unsupported media type"


class QuotaError(Problem):
    """429: the caller has used up its quota; a way to stop a disclosure is never refused so."""

    status, kind, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_s)})


class InvalidError(Problem):
    """422: one field holds something we cannot accept; `known` lists what we can, when that is a list."""

    status, kind, title = 422, "invalid", "Invalid request"

    def __init__(self, field: str, message: str, known: Sequence[str] = ()) -> None:
        super().__init__(errors=[FieldError(field, message, tuple(known))])


class UnavailableError(Problem):
    """503: something we depend on is away. Nothing is disclosed meanwhile (P9); try again in `retry_after_s`."""

    status, kind, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_s)})


class UnforeseenError(Problem):
    """500: a fault of ours. The correlation id is the only thing said; the log has the rest."""

    status, kind, title = 500, "internal", "Internal error"

    def document(self) -> dict[str, Any]:
        """The base document and the correlation id of this request."""
        return {**super().document(), "correlation_id": current_correlation()}


# What a Pydantic error type means to the caller. Only limits from our own schema are filled in, never input.
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "holds a field that is not known",
    "literal_error": "must be one of: {expected}",
    "enum": "must be one of: {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "json_invalid": "{error}",  # values.JsonError's own sentence
    "format": "{expected}",  # values.FormatError's own sentence
    "timezone_aware": "must carry an offset from UTC",
}
_MESSAGES_BY_TYPE = {
    "datetime": "must be an RFC 3339 date-time",
    "date": "must be a date, YYYY-MM-DD",
    "uuid": "must be a UUID",
    "bool": "must be true or false",
    "int": "must be a whole number",
    "string": "must be a text",
    **dict.fromkeys(("list", "tuple"), "must be a list"),
    **dict.fromkeys(("dict", "model"), "must be an object"),
}
# A name that we gave: a letter first, short, and no run of digits long enough to be part of a CPR number.
_OUR_NAME = re.compile(r"(?!.*[0-9]{5})[A-Za-z][A-Za-z0-9_-]{0,47}")


def _message(kind: str, context: Mapping[str, Any]) -> str:
    template = _MESSAGES.get(kind) or _MESSAGES_BY_TYPE.get(kind.split("_", 1)[0], "is not valid")
    return template.format_map(context)


def _field(location: Sequence[Any], kind: str) -> str:
    """The dotted name of what is wrong. A name that the caller chose (an unknown field) is left out."""
    if kind == "json_invalid":
        return "body"
    ours = location[:-1] if kind == "extra_forbidden" else location
    parts = [str(part) if isinstance(part, int) or _OUR_NAME.fullmatch(str(part)) else "?" for part in ours]
    named = parts[1:] if len(parts) > 1 and parts[0] in {"body", "query", "path", "header"} else parts
    return ".".join(named) or "body"


def from_validation(errors: Sequence[Mapping[str, Any]]) -> InvalidError:
    """Pydantic's errors (`error.errors()`) as a 422: our field names and our words, nothing of the input."""
    problem = InvalidError("body", "is not valid")
    problem.errors = tuple(
        FieldError(_field(tuple(error["loc"]), error["type"]), _message(error["type"], error.get("ctx") or {}))
        for error in errors[:ERRORS_MAX]
    )
    return problem


class InvalidTokenError(Exception):
    """The token is refused. `reason` is one of FAULTS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def fault_of(error: JoseError) -> str:
    """The code of what joserfc says about the claims: the first missing one, or which one is wrong and how."""
    claim = str(getattr(error, "claim", "")).partition(",")[0]
    if isinstance(error, MissingClaimError):
        return "audience" if claim == "aud" else f"no_{claim}"
    if isinstance(error, ExpiredTokenError):
        return "expired"
    if isinstance(error, InvalidClaimError):
        return {"aud": "audience", "nbf": "not_yet_valid", "iat": "not_yet_valid"}.get(claim, f"bad_{claim}")
    return "malformed"
