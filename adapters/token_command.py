"""What `fleettwin token` does: a token for development."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from adapters.access import Scope
from adapters.config import Config
from adapters.terminal import err
from adapters.tokens.development import DevelopmentKey, Wish
from adapters.wiring import FleetTwin
from domain.errors import BadInputError

VALID_S_MAX: Final = 30 * 86_400
_VALID: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def token_wish(brands: Sequence[str], scopes: Sequence[str], client: str, valid: str) -> Wish:
    """Return what a token is to be good for. Raises BadInputError."""
    known = {each.value: each for each in Scope}
    for scope in scopes:
        if scope not in known:
            raise BadInputError(f"{scope!r} is no scope", where="--scope", remedy=f"give one of {', '.join(known)}")
    found = _VALID.fullmatch(valid)
    valid_s = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < valid_s <= VALID_S_MAX:
        raise BadInputError(
            f"{valid!r} is no such time", where="--valid", remedy="give one like 15m or 1h, 30d at most"
        )
    return Wish(list(dict.fromkeys(brands)), [known[scope] for scope in dict.fromkeys(scopes)], client, valid_s)


def issue_token(config: Config, wish: Wish, opened: Callable[[], AbstractContextManager[FleetTwin]]) -> dict[str, Any]:
    """Return a token as an authorization server answers (RFC 6749, section 5.1). Raises BadInputError.

    A brand is meant as the fleet writes it.
    """
    if config.tokens.keys is not None:
        what, remedy = (
            "tokens are issued by others",
            f"ask {config.tokens.issuer} for one, or unset FLEETTWIN_TOKEN_KEYS",
        )
        raise BadInputError(what, where="FLEETTWIN_TOKEN_KEYS", remedy=remedy)
    with opened() as twin:
        written = {brand.casefold(): brand for brand in twin.twins.brands()}
    for brand in wish.brands:
        if brand.casefold() not in written:
            known = ", ".join(written.values()) or "none yet"
            err.print(f"no vehicle is of the brand {brand} (brands: {known}): the token shows nothing of it")
    brands = list(dict.fromkeys(written.get(brand.casefold(), brand) for brand in wish.brands))
    token = DevelopmentKey(config.home).issue(wish._replace(brands=brands), config.tokens.audience)
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": wish.valid_s,
        "scope": " ".join(wish.scopes),
        "brand": brands,
    }
