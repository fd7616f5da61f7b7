"""One mapping between rows and values: a dataclass names the columns, and nothing repeats them.

A row is read into the fields of its columns' names; columns that the dataclass does not name are left out. A row of one
JSON document is read the same way. Only a store uses this: the dataclass says nothing of SQL.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Table

from libs.common.database.database import Session, WriteSession, driver

RowT = TypeVar("RowT")


def reader(cls: type[RowT]) -> Callable[[Any], RowT]:
    """How a row of the driver's becomes a `cls`. It raises ValueError for a row that is none."""
    form: TypeAdapter[RowT] = _form(cast(Any, cls))

    def read(row: Any) -> RowT:
        document = row[0] if len(row) == 1 and isinstance(row[0], Mapping) else dict(row)
        return form.validate_python(document)

    return read


async def one(session: Session, cls: type[RowT], query: str, *values: Any) -> RowT | None:
    """The first row that a query finds, as a `cls`; None when it finds none."""
    row = await driver(session).fetchrow(query, *values)
    return None if row is None else reader(cls)(row)


async def rows(session: Session, cls: type[RowT], query: str, *values: Any) -> tuple[RowT, ...]:
    """Every row that a query finds, as `cls`, in its order."""
    return tuple(map(reader(cls), await driver(session).fetch(query, *values)))


async def add(session: WriteSession, table: Table, value: Any, *, if_new: bool = False) -> bool:
    """Insert the fields of a dataclass that the table has columns for. False when a row like it is there (`if_new`)."""
    row = columns(table, value)
    query = _insertion(table.name, tuple(row)) + (" ON CONFLICT DO NOTHING" if if_new else "")
    done: str = await driver(session).execute(query, *map(_stored, row.values()))
    return done.endswith(" 1")


def columns(table: Table, value: Any) -> dict[str, Any]:
    """The fields of a dataclass that the table has columns for; a set as a sorted list."""
    named = {field.name: getattr(value, field.name) for field in fields(value) if field.name in table.columns}
    return {name: sorted(item) if isinstance(item, frozenset) else item for name, item in named.items()}


@cache
def _form(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@cache
def _insertion(table: str, names: tuple[str, ...]) -> str:
    places = ", ".join(f"${number}" for number, _ in enumerate(names, start=1))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names of ours


def _stored(value: Any) -> Any:
    """As the driver takes it: a document as text."""
    return orjson.dumps(value, default=str).decode() if isinstance(value, Mapping) else value
