"""What citizens and source systems send and get: the public contract, readable alone. Codes are the catalogue's."""

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from libs.common.http.headers import string_or_token
from libs.common.wire.identifiers import RECORDED
from libs.common.wire.messages import Code
from libs.common.wire.values import VERSION_MAX, EndMoment, Whole

Status = Literal["requested", "pending_signature", "active", "withdrawn", "expired", "closed", "declined"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, lower-case hexadecimal")]
IdempotencyKey = Annotated[
    str,
    BeforeValidator(string_or_token),
    Field(
        min_length=8,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="a String or a Token (RFC 8941), or the bare text; quoted or not, it is the same key",
    ),
    RECORDED,
]


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


Codes = Annotated[tuple[Code, ...], BeforeValidator(_in_order)]
"""Those of a set in one order."""


class Request(BaseModel):
    """Frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """Frozen, and made of the attributes of a value."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def of(cls, value: object, **given: Any) -> Self:
        """What `value` shows: its attributes by their names; `given`: what it has not, or shows otherwise."""
        shown = {name: getattr(value, name) for name in cls.model_fields if name not in given}
        return cls.model_validate({**shown, **given})


class CprQuestion(Request):
    """The one place where a CPR number may be sent, over TLS and on the record."""

    cpr: str = Field(min_length=10, max_length=11)


class Pseudonym(Answer):
    """Who it is, from here on."""

    borger_id: UUID


class ActsFor(Answer):
    """Somebody whom one may act for today. `purposes` null: in everything; `until`: the first day off."""

    borger_id: UUID
    role: Literal["custody_holder", "guardian", "attorney"]
    authority_id: UUID | None
    purposes: Codes | None
    until: date | None


class Me(Answer):
    """Who is logged in, and whom they may act for: `children` by custody, `acts_for` in every capacity."""

    borger_id: UUID
    children: tuple[UUID, ...]
    acts_for: tuple[ActsFor, ...]


class GrantRequest(Request):
    """One yes: one purpose, one holder, one recipient, the kinds of information, until when, under which text (R2, P7).

    `affirmed_special`: the special categories among them, each affirmed by an act of its own (R4).
    """

    purpose: Code
    holder_unit: Code
    recipient_unit: Code
    categories: tuple[Code, ...] = Field(min_length=1, max_length=30)
    language: Literal["da", "en"]
    text_version: Whole | None = Field(default=None, ge=1, le=VERSION_MAX)
    text_sha256: Digest = Field(description="of the text that was shown; must be the one in force (R10)")
    valid_until: EndMoment | None = Field(default=None, description="at most 12 months ahead; left out: 12 months")
    affirmed_special: tuple[Code, ...] = Field(default=(), max_length=30)


class TextReference(Answer):
    """The text that was shown."""

    code: Code
    version: int
    language: str
    sha256: Digest

    @classmethod
    def of(cls, value: object, **given: Any) -> Self:
        """Of a consent, or of a request for some."""
        names = {"code": "text_code", "version": "text_version", "language": "language", "sha256": "text_sha256"}
        return cls.model_validate({name: getattr(value, theirs) for name, theirs in names.items()} | given)


class AccessTokenRequest(Request):
    """For which service."""

    audience: Literal["audit"]


class IssuedToken(Answer):
    """RFC 6749 §5.1. No CPR number is in it."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6749, no secret
    expires_in: int
