from tests.support.databases import database, fresh_database, server
from tests.support.read_models import discard, postgres_store, store

__all__ = ["database", "discard", "fresh_database", "postgres_store", "server", "store"]
