"""The standard's requests, read: what is missing or of the wrong kind is a 400 that names the field, never a 422.

1. A field that we do not know is ignored, so that a newer caller is understood (AuthZEN 1.0, JSON serialization).
2. In a call with several evaluations, one that is incomplete is itself a no; the others are answered.
3. A default is taken or replaced whole: there is no merging inside a subject, an action or a resource.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from libs.common.http.problems import FieldError, Problem
from libs.common.wire.values import JsonError, strict_json
from services.consent.access.questions import Semantic, question_of
from services.consent.decision.snapshot import Question

EVALUATIONS_MAX = 1_000  # in one call
WORD_MAX = 255  # characters of a type, a name or an id
Document = dict[str, Any]

_REQUIRED = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}
_UNMET = "is required"


class MalformedError(Problem):
    """400: the request is not one that the standard describes. Names the field, quotes nothing."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(errors=[FieldError(name, message)])
        self.sentence = f"{name} {message}"


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Several questions. None is none of ours; `failed` says, by place, what an incomplete one lacks."""

    questions: Sequence[Question | None]
    semantic: Semantic
    failed: Mapping[int, str] = field(default_factory=dict)


async def document(request: Request) -> Document:
    """The body. Raises MalformedError unless it is a JSON object; the route checked its type."""
    try:
        body = strict_json(await request.body())
    except JsonError as error:
        raise MalformedError("body", str(error)) from None
    if not isinstance(body, dict):
        raise MalformedError("body", "must be an object")
    return body


def evaluation(body: Document) -> Question | None:
    """The one question of a body. Raises MalformedError."""
    return _question(body, {})


def evaluations(body: Document) -> Evaluations | None:
    """The questions of a body; None when it asks a single one in the form of `evaluation`. Raises MalformedError."""
    items = _optional(body, "evaluations", list)
    semantic = _semantic(_optional(body, "options", dict) or {})
    if not items:
        return None
    if len(items) > EVALUATIONS_MAX:
        raise MalformedError("evaluations", f"must have at most {EVALUATIONS_MAX} items")
    defaults = {name: entity(body, name, *texts) for name, texts in _REQUIRED.items() if name in body}
    _optional(body, "context", dict)
    questions: list[Question | None] = []
    failed: dict[int, str] = {}
    for place, item in enumerate(items):
        try:
            questions.append(_question(item, defaults))
        except MalformedError as error:
            questions.append(None)
            failed[place] = error.sentence
    return Evaluations(questions, semantic, failed)


def entity(body: Document, name: str, *texts: str) -> Document:
    """A subject, action or resource with these texts. Raises MalformedError."""
    value = body.get(name)
    if type(value) is not dict:
        raise MalformedError(name, "must be an object" if name in body else _UNMET)
    for key in texts:
        if type(value.get(key)) is not str:
            raise MalformedError(f"{name}.{key}", "must be a text" if key in value else _UNMET)
        if len(value[key]) > WORD_MAX:
            raise MalformedError(f"{name}.{key}", f"must have at most {WORD_MAX} characters")
    if type(value.get("properties", body)) is not dict:
        raise MalformedError(f"{name}.properties", "must be an object")
    return value


def context(body: Document) -> None:
    """It has no say, but it must be what the standard says it is. Raises MalformedError."""
    _optional(body, "context", dict)


def _question(item: Any, defaults: Mapping[str, Document]) -> Question | None:
    if type(item) is not dict:
        raise MalformedError("evaluations", "must hold objects")
    found = []
    for name, texts in _REQUIRED.items():
        default = defaults.get(name)
        found.append(default if default is not None and name not in item else entity(item, name, *texts))
    context(item)
    return question_of(*found)


def _optional(body: Document, name: str, kind: type) -> Any:
    value = body.get(name)
    if name in body and type(value) is not kind:
        raise MalformedError(name, "must be a list" if kind is list else "must be an object")
    return value


def _semantic(options: Document) -> Semantic:
    try:
        return Semantic(options.get("evaluations_semantic", Semantic.EXECUTE_ALL))
    except ValueError:
        raise MalformedError(
            "options.evaluations_semantic", "must be one of: " + ", ".join(repr(str(item)) for item in Semantic)
        ) from None
