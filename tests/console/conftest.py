from tests.support.command_line import fleettwin
from tests.support.console import browser
from tests.support.databases import database, fresh_database, server

__all__ = ["browser", "database", "fleettwin", "fresh_database", "server"]
