"""How Alembic runs the migrations: on the connection that `fleet.hub.store.opening` has open."""

from alembic import context

from fleet.hub.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    version_table=schema.VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
