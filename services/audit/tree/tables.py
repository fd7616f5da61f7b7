"""Stored nodes of the tree."""

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table

from services.audit.model.tables import metadata

subtree = Table(
    "subtree",
    metadata,
    Column("level", SmallInteger, nullable=False),  # k: the root over 256^k leaves
    Column("position", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "position"),
    CheckConstraint("level > 0 AND position >= 0 AND octet_length(root) = 32", name="form"),
)
