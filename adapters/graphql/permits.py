"""What one execution may show, what it has held back, and what it has shown of personal data."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from adapters.access import Access
from adapters.graphql import scopes
from adapters.graphql.errors import ErrorCode
from adapters.graphql.scopes import Scopes

_ON_RECORD: Final = scopes.PERSONAL


class Permits:
    """The scopes of who asks, asked for each field and signal before it is shown."""

    def __init__(self, access: Access) -> None:
        self._held = access.scopes
        self._audited = access.audited
        self._withheld: dict[str, Scopes] = {}
        self._shown: defaultdict[UUID, set[str]] = defaultdict(set)

    def refusal(self, vehicle_id: UUID, path: str, *, past: bool) -> str | None:
        """Return why a signal is not shown; None: it is, and if it is personal that is noted."""
        refusal = self.lacking_for(path, past=past)
        if refusal is None:
            self._note(vehicle_id, path, scopes.of_path(path, past=past))
        return refusal

    def lacking_for(self, path: str, *, past: bool) -> str | None:
        """Return why a signal would not be shown; nothing is noted."""
        missing = scopes.of_path(path, past=past) - self._held
        return scopes.lacking(missing) if missing else None

    def refusal_of_field(self, vehicle_id: UUID, name: str, *, past: bool = False) -> str | None:
        """Return why a field that is no signal is not shown; None: it is, and if it is personal that is noted."""
        needed = scopes.of_field(name, past=past)
        if not needed <= self._held:
            return scopes.lacking(needed - self._held)
        self._note(vehicle_id, name, needed)
        return None

    def may_show(self, vehicle_id: UUID, name: str, *, past: bool = False) -> bool:
        """Return whether a field that is no envelope is shown; if not, the answer will say why."""
        needed = scopes.of_field(name, past=past)
        if not needed <= self._held:
            self._withheld[name] = needed - self._held
            return False
        self._note(vehicle_id, name, needed)
        return True

    def may_read(self, name: str) -> bool:
        """Return whether a field that is no envelope is read; if not, the answer will say why. Nothing is noted."""
        missing = self.missing(scopes.of_field(name))
        if missing:
            self._withheld[name] = missing
        return not missing

    def may_list(self, name: str, path: str, *, past: bool) -> bool:
        """Return whether a field may name a signal in its list; if not, the answer will say why. Nothing is noted."""
        missing = self.missing(scopes.of_path(path, past=past))
        if missing:
            self._withheld[name] = self._withheld.get(name, scopes.NONE) | missing
        return not missing

    def withhold_anew(self) -> None:
        """Forget what was held back: another answer begins."""
        self._withheld.clear()

    def missing(self, needed: Scopes) -> Scopes:
        """Return which of these scopes are not held."""
        return needed - self._held

    def note(self, vehicle_id: UUID, name: str, needed: Scopes) -> None:
        """Note that something is shown that needs these scopes."""
        self._note(vehicle_id, name, needed)

    @property
    def withheld(self) -> list[dict[str, Any]]:
        """What was held back and is no envelope, each field once."""
        return [
            {"field": name, "code": ErrorCode.FORBIDDEN, "scopes": sorted(lacking), "reason": scopes.lacking(lacking)}
            for name, lacking in sorted(self._withheld.items())
        ]

    @property
    def shown(self) -> Mapping[UUID, set[str]]:
        """The fields and signals with personal data that were shown, by vehicle."""
        return self._shown

    def _note(self, vehicle_id: UUID, name: str, needed: Scopes) -> None:
        if self._audited and not needed.isdisjoint(_ON_RECORD):
            self._shown[vehicle_id].add(name)
