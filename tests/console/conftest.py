from tests.support.console import browser

__all__ = ["browser"]
