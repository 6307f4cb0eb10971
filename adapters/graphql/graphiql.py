"""GraphiQL: its page and its files, served from this package; nothing is fetched from elsewhere.

`static/` holds the files as their npm packages have them, beside a page and a start script of ours;
`static/VENDORED.md` says which versions, under which licences, with which hashes.
"""

from importlib.resources import files
from typing import Final, NamedTuple

from adapters.graphql.http import HTML, Response

PREFIX: Final = "/graphql/static/"
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
_PAGE_NAME: Final = "index.html"
# All from this server; GraphiQL's style sheet holds its fonts as data.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src data:; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY: Final = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)


class StaticFiles(NamedTuple):
    """The page, and the other files by their paths."""

    page: Response
    files: dict[str, Response]

    def get(self, path: str) -> Response | None:
        """Return the file at a path of the server."""
        return self.files.get(path)


def load() -> StaticFiles:
    """Read the files into memory."""
    found: dict[str, Response] = {}
    page = b""
    for file in (files("adapters.graphql") / "static").iterdir():
        kind = _TYPES.get(file.name[file.name.rfind(".") :])
        if file.name == _PAGE_NAME:
            page = file.read_bytes()
        elif kind:
            headers = (*_SECURITY, ("cache-control", "no-cache"))
            found[PREFIX + file.name] = Response(200, f"{kind}; charset=utf-8", file.read_bytes(), headers)
    return StaticFiles(Response(200, f"{HTML}; charset=utf-8", page, (*_SECURITY, ("vary", "accept"))), found)
