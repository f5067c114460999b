"""Runs the ledger's migrations on the connection that the ledger hands over."""

from alembic import context

from dialnexa_pipeline.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
