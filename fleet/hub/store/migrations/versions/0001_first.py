"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STRICT = {"sqlite_strict": True}
CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "hub_devices",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("first_seen_unix_ns", LONG, nullable=False),
        sa.Column("last_seen_unix_ns", LONG, nullable=False),
        sa.Column("status", sa.LargeBinary),
        sa.Column("info", sa.LargeBinary),
        sa.Column("reported", sa.LargeBinary),
        **CLUSTERED,
    )
    op.create_table(
        "hub_raw",
        sa.Column("id", LONG, primary_key=True, autoincrement=True),
        sa.Column("slot", LONG, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("session", LONG, nullable=False),
        sa.Column("sent_unix_ns", LONG, nullable=False),
        sa.Column("received_unix_ns", LONG, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("sent_unix_ns", "device", "kind", "session", name="hub_raw_message"),
        **STRICT,
    )
    op.create_index("hub_raw_slot", "hub_raw", ["slot", "device", "kind"])
    op.create_table(
        "hub_rollups",
        sa.Column("slot", LONG, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("end_unix_seconds", LONG, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        **CLUSTERED,
    )
    op.create_table(
        "hub_slots",
        sa.Column("holds", sa.Text, primary_key=True),
        sa.Column("slot", LONG, primary_key=True, autoincrement=False),
        sa.Column("bytes", LONG, nullable=False),
        **CLUSTERED,
    )
    if op.get_bind().dialect.name == "postgresql":
        # what is deleted every few seconds must be free for what comes next
        for table in ("hub_raw", "hub_rollups", "hub_slots"):
            op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.05)")
