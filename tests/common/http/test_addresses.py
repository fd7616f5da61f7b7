"""A thing has one address: a UUID in a path or a query has one form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel

from libs.common.http.door import Router
from libs.common.service.app import create_app
from tests.doors.hostile import OTHER_FORMS

ID = "00000000-0000-4000-8000-00000000000a"
router = Router()


class Filters(BaseModel):
    """A query as a model."""

    of: UUID | None = None


@router.get("/things/{thing_id}")
async def thing(thing_id: UUID, parent: UUID | None = None) -> str:
    return f"{thing_id} {parent}"


@router.get("/things")
async def things(query: Annotated[Filters, Query()]) -> str:
    return str(query.of)


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(title="Door", service="door", lifespan=_nothing, routers=[router])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test") as client:
        yield client


@pytest.mark.parametrize("form", [*OTHER_FORMS, f"{ID} "])
@pytest.mark.parametrize(
    ("address", "field"), [("/things/{}", "thing_id"), (f"/things/{ID}?parent={{}}", "parent"), ("/things?of={}", "of")]
)
async def test_another_form_is_refused_and_named(http: httpx2.AsyncClient, address: str, field: str, form: str) -> None:
    answer = await http.get(address.format(quote(form, safe="")))
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": field, "message": "must be a UUID"}])


@pytest.mark.parametrize(
    "address", [f"/things/{ID}", f"/things/{ID.upper()}?parent={ID}", f"/things?of={ID}", "/things"]
)
async def test_its_own_form_is_taken(http: httpx2.AsyncClient, address: str) -> None:
    assert (await http.get(address)).status_code == 200
