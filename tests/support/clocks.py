"""A clock that a test moves."""


class Clock:
    """Seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at
