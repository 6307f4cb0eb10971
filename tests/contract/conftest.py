from tests.support.databases import database, fresh_database, server

__all__ = ["database", "fresh_database", "server"]
