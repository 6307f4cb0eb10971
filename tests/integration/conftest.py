from tests.support.command_line import fleettwin, other_fleettwin
from tests.support.databases import database, fresh_database, server

__all__ = ["database", "fleettwin", "fresh_database", "other_fleettwin", "server"]
