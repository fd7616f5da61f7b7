"""The log for whoever verifies it: leaves, batches, proofs, completeness, checkpoints. None of it says about whom."""

from base64 import b64encode
from email.utils import format_datetime
from typing import Annotated

import orjson
from fastapi import Depends, Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from libs.common.database.database import Database
from libs.common.http.auth import require
from libs.common.http.door import Router
from libs.common.http.problems import ConflictError, InvalidError, NotFoundError, UnavailableError
from libs.common.wire.messages import seconds
from libs.common.wire.values import DECIMAL
from services.audit.checkpoints import store as checkpoints_store
from services.audit.checkpoints.checkpoint import parse_note
from services.audit.log import store as log_store
from services.audit.log.numbering import Mark
from services.audit.tree import store as tree_store
from services.audit.tree.proof import consistency_spans, inclusion_spans, verify_consistency, verify_inclusion
from services.audit.tree.tree import leaf_hash
from services.audit.verification import schemas as verification_schemas

PAGE_MAX = 2_000

router = Router(prefix="/v1", tags=["log"])
verifiers = [Depends(require("dpo", "auditor"))]

From = Annotated[int, Query(alias="from", ge=0, le=2**53 - 1), DECIMAL]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX), DECIMAL]
Index = Annotated[int, Path(ge=0, le=2**53 - 1), DECIMAL]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Reading = Annotated[Database, Depends(_database)]


@router.get(
    "/checkpoint", response_class=PlainTextResponse, summary="Read the latest signed checkpoint (C2SP signed note)"
)
async def read_checkpoint(database: Reading) -> Response:
    """Open to all: a checkpoint says how much there is, and nothing of what. 503 before the first."""
    async with database.read() as session:
        signed = await checkpoints_store.load_latest(session)
    if signed is None:
        raise UnavailableError
    headers = {"Last-Modified": format_datetime(signed.signed_at, usegmt=True)}
    return PlainTextResponse(signed.note, headers=headers)


@router.get("/log-key", summary="Read the public key of the log's checkpoints")
async def read_log_key(database: Reading) -> verification_schemas.LogKeyAnswer:
    """Open to all. Compare it with one that you got another way. 503 before the first checkpoint."""
    async with database.read() as session:
        known = await checkpoints_store.load_log_key(session)
    if known is None:
        raise UnavailableError
    return verification_schemas.LogKeyAnswer(origin=known[0], vkey=known[1])


@router.get(
    "/leaves",
    response_model=verification_schemas.LeafPage,
    dependencies=verifiers,
    summary="List the leaves of the log",
)
async def list_leaves(database: Reading, start: From = 0, limit: Limit = 1_000) -> Response:
    """The exact bytes of the leaves; a page that reaches the end of the log has no next."""
    async with database.read() as session:
        size = await tree_store.load_size(session)
        bodies = await tree_store.load_bodies(session, start, min(size, start + limit))
    end = start + limit
    items = [{"index": index, "leaf": _b64(body)} for index, body in bodies]
    page = {"size": size, "leaves": items, "next": end if end < size else None}
    return Response(orjson.dumps(page), media_type="application/json")


@router.get("/batches", dependencies=verifiers, summary="List the appends to the log")
async def list_batches(database: Reading, start: From = 0, limit: Limit = 1_000) -> verification_schemas.BatchPage:
    """Appends whose tree has at least `from` leaves."""
    async with database.read() as session:
        found = await tree_store.load_batches(session, start, limit + 1)
    answers = [
        verification_schemas.BatchAnswer(
            tree_size=batch.tree_size,
            prev_size=batch.prev_size,
            root=_b64(batch.root),
            recorded_at=seconds(batch.recorded_at),
        )
        for batch in found[:limit]
    ]
    return verification_schemas.BatchPage(batches=answers, next=found[limit].tree_size if len(found) > limit else None)


@router.get("/entries/{index}/proof", dependencies=verifiers, summary="Prove that an entry is in the log")
async def prove_inclusion(database: Reading, index: Index) -> verification_schemas.InclusionAnswer:
    """A proof under the latest checkpoint, which comes with it, so that the answer can be verified alone."""
    async with database.read() as session:
        stored = await tree_store.load_bodies(session, index, index + 1)
        signed = await checkpoints_store.load_latest(session)
        if not stored:
            raise NotFoundError
        if signed is None or index >= signed.size:
            raise ConflictError("no checkpoint covers this entry yet")
        proof = await tree_store.load_proof(session, inclusion_spans(index, signed.size))
    body, head = stored[0][1], parse_note(signed.note)[0]
    # What we hand out must verify: a bad proof is our fault, and shows here as a 500, not at the verifier's.
    verify_inclusion(leaf_hash(body), index, head.size, proof=proof, root=head.root)
    return verification_schemas.InclusionAnswer(
        index=index,
        tree_size=head.size,
        root=_b64(head.root),
        leaf=_b64(body),
        proof=[_b64(node) for node in proof],
        checkpoint=signed.note,
    )


@router.get("/consistency", dependencies=verifiers, summary="Prove that one size of the log extends another")
async def prove_consistency(
    database: Reading,
    old: Annotated[int, Query(alias="from", ge=1, le=2**53 - 1), DECIMAL],
    new: Annotated[int, Query(alias="to", ge=1, le=2**53 - 1), DECIMAL],
) -> verification_schemas.ConsistencyAnswer:
    """A proof between two sizes of the log."""
    async with database.read() as session:
        if new > await tree_store.load_size(session):
            raise InvalidError("to", "must not be beyond the log")
        if old > new:
            raise InvalidError("from", "must not be beyond `to`")
        old_root = await tree_store.load_root(session, old)
        new_root = await tree_store.load_root(session, new)
        proof = await tree_store.load_proof(session, consistency_spans(old, new))
    verify_consistency(old, new, proof=proof, old_root=old_root, new_root=new_root)
    return verification_schemas.ConsistencyAnswer(
        from_size=old,
        to_size=new,
        from_root=_b64(old_root),
        to_root=_b64(new_root),
        proof=[_b64(node) for node in proof],
    )


@router.get(
    "/completeness", dependencies=verifiers, summary="Read which entry numbers have arrived and which are missing"
)
async def read_completeness(database: Reading) -> verification_schemas.Completeness:
    """Every lane's highest number and its holes."""
    async with database.read() as session:
        marks = await log_store.load_marks(session, await log_store.load_lanes(session))
    return verification_schemas.Completeness(lanes=[_lane(lane, mark) for lane, mark in marks.items()])


def _lane(lane: log_store.Lane, mark: Mark) -> verification_schemas.LaneAnswer:
    missing = [
        verification_schemas.MissingNumbers(
            first=hole.first, last=hole.last, since=seconds(hole.since), reported=hole.gap is not None
        )
        for hole in mark.holes
    ]
    producer, generation, number = lane
    return verification_schemas.LaneAnswer(
        producer=producer, generation=generation, lane=number, highest=mark.highest, missing=missing
    )


def _b64(value: bytes) -> str:
    return b64encode(value).decode()
