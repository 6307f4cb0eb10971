"""How far a stream of batches has been taken: what makes a batch count exactly once."""

from dataclasses import dataclass, replace
from typing import Final

from domain.errors import RejectedCommandError

SEQUENCE_MAX: Final = 10**12  # batches of a stream: one each millisecond, for thirty years
MISSING_RANGES_MAX: Final = 1_000  # holes that a stream may have at a time; more than that is no stream


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """The sequence numbers of a stream that have been taken: all up to `last_sequence` but those in `missing`.

    `missing` are inclusive ranges, ascending and apart.
    """

    stream_id: str
    last_sequence: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    final: bool = False  # the stream's last batch has been taken

    def has(self, sequence: int) -> bool:
        """Whether the batch `sequence` has been taken."""
        return sequence <= self.last_sequence and not any(first <= sequence <= last for first, last in self.missing)

    def taken(self, sequence: int, *, final: bool) -> "StreamProgress":
        """Return the progress after the batch `sequence`, which has not been taken yet.

        Raises `RejectedCommandError` where that would make more than `MISSING_RANGES_MAX` holes.
        """
        assert 0 < sequence <= SEQUENCE_MAX
        assert not self.has(sequence)
        missing = self.missing
        if sequence > self.last_sequence + 1:
            missing = (*missing, (self.last_sequence + 1, sequence - 1))
        elif sequence <= self.last_sequence:
            pieces: list[tuple[int, int]] = []
            for first, last in missing:
                if first <= sequence <= last:
                    pieces += [piece for piece in ((first, sequence - 1), (sequence + 1, last)) if piece[0] <= piece[1]]
                else:
                    pieces.append((first, last))
            missing = tuple(pieces)
        if len(missing) > max(MISSING_RANGES_MAX, len(self.missing)):
            msg = (
                f"stream {self.stream_id} has {MISSING_RANGES_MAX} holes already: batch {sequence} is refused;"
                " send the missing batches first"
            )
            raise RejectedCommandError(msg)
        last_sequence = max(sequence, self.last_sequence)
        return replace(self, last_sequence=last_sequence, missing=missing, final=self.final or final)
