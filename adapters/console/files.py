"""The files of the console: each with its type, its hash and its compressed form, under one strict policy.

`static/` holds modules that a browser runs as they are. `static/vendor/` holds those of others, byte for byte as their
packages have them: `static/vendor/VENDORED.md` says which.
"""

import gzip
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

PREFIX: Final = "/console/"
PAGE: Final = "index.html"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INLINE_SCRIPT: Final = re.compile(rb"<script[^>]*>([^<]+)</script>")  # the import map, which cannot be a file
_UNCHANGED: Final = 304


class Answer(NamedTuple):
    """What a browser is given."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class File:
    """A file as it is served."""

    def __init__(self, name: str, content: bytes, policy: str) -> None:
        self._content = content
        self.etag = f'"{sha256(content).hexdigest()[:32]}"'
        self._headers = {
            "content-type": _TYPES[_suffix(name)],
            "etag": self.etag,
            "cache-control": "no-cache",  # kept, and asked after each time: a new release is there at once
            "vary": "accept-encoding",
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self._content, mtime=0)

    def answer(self, accept_encoding: str, if_none_match: str) -> Answer:
        """Return the file, or that it is the one that the browser has."""
        if self.etag in if_none_match:
            return Answer(_UNCHANGED, self._headers, b"")
        if not re.search(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", accept_encoding):
            return Answer(200, {**self._headers, "content-length": str(len(self._content))}, self._content)
        headers = {**self._headers, "content-encoding": "gzip", "content-length": str(len(self._compressed))}
        return Answer(200, headers, self._compressed)


class Files:
    """All files by their paths."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        policy = policy_of(contents[PAGE])
        found = {PREFIX + name: File(name, content, policy) for name, content in contents.items()}
        self._files = {**found, "/": found[PREFIX + PAGE]}

    @classmethod
    def load(cls) -> "Files":
        """Read the files into memory."""
        return cls(dict(_contents(files("adapters.console") / "static")))

    def answer(self, path: str, accept_encoding: str, if_none_match: str) -> Answer | None:
        """Return what is at a path of the server; None: nothing of the console."""
        file = self._files.get(path)
        return file.answer(accept_encoding, if_none_match) if file else None


def policy_of(page: bytes) -> str:
    """Return the content security policy: everything from this server, and of scripts in the page only its own."""
    hashes = [b64encode(sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{each}'" for each in hashes)])
    return (
        f"default-src 'self'; script-src {scripts}; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _contents(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = below + entry.name
        if entry.is_dir():
            yield from _contents(entry, f"{name}/")
        elif _suffix(name) in _TYPES:
            yield name, entry.read_bytes()


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
