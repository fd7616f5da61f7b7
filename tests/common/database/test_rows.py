"""Rows and values: a dataclass names the columns, and one mapping reads and writes them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from sqlalchemy import Column, DateTime, MetaData, Table, Text

from libs.common.database import rows
from libs.common.database.database import Database

EFFECT = Table("effect", MetaData(), Column("id", Text), Column("at", DateTime(timezone=True)))
AT = datetime(2026, 11, 22, 10, 5, 0, 123456, tzinfo=UTC)


class Word(StrEnum):
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Effect:
    id: Word
    at: datetime
    of_no_column: frozenset[str] = frozenset()


async def test_what_is_added_is_read_as_the_same_value(database: Database):
    added = Effect(Word.SECOND, AT)
    async with database.write() as session:
        assert await rows.add(session, EFFECT, added)
        assert await rows.one(session, Effect, "SELECT * FROM effect WHERE id = $1", Word.SECOND) == added
        assert await rows.one(session, Effect, "SELECT * FROM effect WHERE id = $1", "first") is None
        assert await rows.rows(session, Effect, "SELECT to_jsonb(e) FROM effect e") == (added,)


async def test_a_row_that_is_there_is_added_once(database: Database):
    async with database.write() as session:
        assert await rows.add(session, EFFECT, Effect(Word.FIRST, AT), if_new=True)
        assert not await rows.add(session, EFFECT, Effect(Word.FIRST, AT), if_new=True)


async def test_columns_that_the_value_does_not_name_are_left_out(database: Database):
    async with database.read() as session:
        query = "SELECT 'first' AS id, $1::timestamptz AS at, 7 AS other, ARRAY['b', 'a'] AS of_no_column"
        assert await rows.one(session, Effect, query, AT) == Effect(Word.FIRST, AT, frozenset({"a", "b"}))


async def test_a_row_that_is_no_such_value_is_a_value_error(database: Database):
    async with database.read() as session:
        with pytest.raises(ValueError, match="Effect"):
            await rows.one(session, Effect, "SELECT 'third' AS id, clock_timestamp() AS at")


def test_a_set_is_stored_in_one_order():
    table = Table("x", MetaData(), Column("of_no_column", Text))
    assert rows.columns(table, Effect(Word.FIRST, AT, frozenset({"b", "a"}))) == {"of_no_column": ["a", "b"]}
