"""The standard's requests and answers as documents: what the published specification shows (`docs/asking.md`).

Requests are read by `access_requests`, since the standard asks for a 400, and for answers to the rest of a batch,
where a model would refuse the whole with a 422.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from libs.common.wire.values import INTEGER_MAX
from services.consent.access.questions import ACTION_NAME, RESOURCE_TYPE, SUBJECT_TYPE, Semantic
from services.consent.access.requests import EVALUATIONS_MAX, WORD_MAX

Properties = dict[str, Any]


class Tolerant(BaseModel):
    """Frozen; what it does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Subject(Tolerant):
    """The recipient unit."""

    type: str = Field(max_length=WORD_MAX, description="the kind of subject; ours is `unit`", examples=[SUBJECT_TYPE])
    id: str = Field(max_length=WORD_MAX, description="the unit's code", examples=["SOF-BCV"])
    properties: Properties = Field(default={})


class Action(Tolerant):
    """To receive, for a purpose."""

    name: str = Field(max_length=WORD_MAX, description="ours is `receive`", examples=[ACTION_NAME])
    properties: Properties = Field(default={}, examples=[{"purpose": "KOORDINERING"}])


class Resource(Tolerant):
    """A category of information about a citizen, held by a unit."""

    type: str = Field(
        max_length=WORD_MAX, description="the kind of resource; ours is `information`", examples=[RESOURCE_TYPE]
    )
    id: str = Field(max_length=WORD_MAX, description="`<borger_id>/<holder unit>/<category>`")
    properties: Properties = Field(default={}, description="borger_id, holder_unit and category, as in the id")


class SubjectSought(Tolerant):
    """The kind of subject that is sought; an `id` is ignored."""

    type: str = Field(max_length=WORD_MAX, examples=[SUBJECT_TYPE])


class ResourceSought(Tolerant):
    """The kind of resource that is sought; an `id` is ignored.

    `properties.borger_id` says about whom, and `holder_unit` and `category` narrow the search.
    """

    type: str = Field(max_length=WORD_MAX, examples=[RESOURCE_TYPE])
    properties: Properties = Field(default={})


class PageAsked(Tolerant):
    """Which part of the results. With a token everything else stays as it was; the limit may be left out."""

    token: str | None = None
    limit: int | None = Field(default=None, ge=0, le=INTEGER_MAX)


class EvaluationRequest(Tolerant):
    """One question."""

    subject: Subject
    action: Action
    resource: Resource
    context: Properties | None = Field(default=None, description="accepted, and without a say")


class EvaluationDefaults(Tolerant):
    """A question in a batch; what it leaves out is taken whole from the request's own."""

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: Properties | None = None


class Options(Tolerant):
    """When a batch stops."""

    evaluations_semantic: Semantic = Semantic.EXECUTE_ALL


class EvaluationsRequest(EvaluationDefaults):
    """Several questions; without any, the request's own is the one question."""

    evaluations: tuple[EvaluationDefaults, ...] = Field(default=(), max_length=EVALUATIONS_MAX)
    options: Options = Options()


class SubjectSearch(Tolerant):
    """Who may receive this, for this purpose?"""

    subject: SubjectSought
    action: Action
    resource: Resource
    context: Properties | None = None
    page: PageAsked | None = None


class ResourceSearch(Tolerant):
    """What may this unit receive about this citizen, for this purpose?"""

    subject: Subject
    action: Action
    resource: ResourceSought
    context: Properties | None = None
    page: PageAsked | None = None


class ActionSearch(Tolerant):
    """For which purposes may this unit receive this?"""

    subject: Subject
    resource: Resource
    context: Properties | None = None
    page: PageAsked | None = None


class AccessDecision(BaseModel):
    """The answer, never its reason. `context` says only what the request itself lacked, or where the call stopped."""

    decision: bool
    context: Properties | None = None


class AccessDecisions(BaseModel):
    """The answers in the order of the questions, or a single `decision` where none were listed."""

    evaluations: tuple[AccessDecision, ...] | None = None
    decision: bool | None = None


class Page(BaseModel):
    """`next_token` is empty on the last page; `total` counts all results of this moment."""

    next_token: str
    count: int
    total: int


class Found(BaseModel):
    """Every entity of which an evaluation would answer yes. Nothing found, nobody known: the same empty list."""

    page: Page | None = None
    results: tuple[Properties, ...]


class Metadata(BaseModel):
    """Where this decision point answers what (AuthZEN 1.0, Policy Decision Point Metadata)."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str
