"""The files of the console, as they are served."""

import asyncio
import hashlib
import re
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from adapters.console.app import with_console
from domain.events import EVENT_TYPES

STATIC: Final = Path(str(files("adapters.console") / "static"))
CATALOGUES: Final = ("messages.js", "messages_pipeline.js", "messages_twin.js")
MODULE_LINES_MAX: Final = 250
BEHIND: Final = 418  # how the application behind the console answers here


async def behind(scope: Any, _: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": BEHIND, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


APP = with_console(behind)


def get(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def sent() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://localhost") as client:
            return await client.request(method, path, headers={"accept-encoding": "identity"} | headers)

    return asyncio.run(sent())


def modules() -> list[Path]:
    return sorted((STATIC / "js").rglob("*.js"))


def test_the_root_is_the_console_and_whatever_is_not_its_own_goes_on() -> None:
    assert get("/").content == (STATIC / "index.html").read_bytes()
    assert get("/graphql").status_code == BEHIND
    assert get("/console/absent.js").status_code == BEHIND
    assert get("/console/vendor/VENDORED.md").status_code == BEHIND
    assert get("/", "POST").status_code == BEHIND


def test_head_is_get_without_a_body() -> None:
    head = get("/", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get("/").headers


def test_a_page_may_load_and_ask_nothing_but_this_server() -> None:
    response = get("/")
    policy = response.headers["content-security-policy"]
    (inline,) = re.findall(rb"<script[^>]*>([^<]+)</script>", response.content)
    expected = b64encode(hashlib.sha256(inline).digest()).decode()
    assert policy.startswith(f"default-src 'self'; script-src 'self' 'sha256-{expected}'; ")
    assert not re.search("unsafe|http|data:|\\*", policy)
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip, br", True), ("br;q=1, gzip;q=0.5", True), ("identity", False), ("gzip;q=0", False)],
)
def test_a_file_is_compressed_for_those_who_take_it(accepted: str, compressed: bool) -> None:
    response = get("/console/js/main.js", **{"accept-encoding": accepted})
    assert ("content-encoding" in response.headers) is compressed
    assert response.content == (STATIC / "js/main.js").read_bytes()  # unpacked on arrival
    assert response.headers["vary"] == "accept-encoding"


def test_a_file_that_a_browser_has_already_is_not_sent_again() -> None:
    first = get("/console/js/main.js")
    again = get("/console/js/main.js", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get("/console/js/main.js", **{"if-none-match": '"another"'}).status_code == 200


def test_the_vendored_files_are_those_that_are_written_down() -> None:
    vendor = STATIC / "vendor"
    table = (vendor / "VENDORED.md").read_text(encoding="utf-8")
    hashes = dict(re.findall(r"^\| ([\w./-]+) \|.*\| ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    there = {str(path.relative_to(vendor)) for path in vendor.rglob("*") if path.is_file()}
    licences = {name for name in there if name.endswith("/LICENSE.txt")}
    assert there - licences - {"VENDORED.md"} == set(hashes)
    assert {name.partition("/")[0] for name in hashes} == {name.partition("/")[0] for name in licences}
    for name, expected in hashes.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == expected


def test_every_module_that_is_imported_is_there_and_each_is_imported() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    mapped = dict(re.findall(r'"([\w/-]+)": "/console/([\w./-]+)"', page))
    used = {STATIC / name for name in re.findall(r'(?:src|href)="/console/([^"]+)"', page)}
    used |= {STATIC / name for name in mapped.values()}
    for path in modules():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'(?:from |import\(|^import )"([^"]+)"', text, re.MULTILINE):
            used.add(STATIC / mapped[name] if name in mapped else (path.parent / name).resolve())
    assert [str(path) for path in sorted(used) if not path.is_file()] == []
    assert [str(path) for path in modules() if path not in used] == []


def test_every_type_of_event_can_be_chosen() -> None:
    text = (STATIC / "js/pages/vehicle_events.js").read_text(encoding="utf-8")
    (names,) = re.findall(r"const TYPES = \[([^\]]+)\]", text)
    topics = {each.TOPIC for each in EVENT_TYPES}
    assert {f"vehicle.{name}.v1" for name in re.findall(r'"(\w+)"', names)} == topics


def test_modules_are_small_say_what_they_are_and_write_no_markup() -> None:
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert text.startswith(("/** ", "/**\n")), path
        assert len(text.splitlines()) < MODULE_LINES_MAX or path.name in CATALOGUES, path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://", text), path


def test_every_message_is_there_in_both_languages_and_each_is_used() -> None:
    catalogues = [(STATIC / "js" / name).read_text(encoding="utf-8") for name in CATALOGUES]
    catalogue = "".join(catalogues)
    messages = {
        (quoted or plain): (english, german)
        for quoted, plain, english, german in re.findall(
            r'^  (?:"([^"]+)"|(\w+)): \["((?:[^"\\]|\\.)*)", "((?:[^"\\]|\\.)*)"\],$', catalogue, re.MULTILINE
        )
    }
    between = catalogue.count("\n\n") + 3 * len(CATALOGUES)  # comment, begin, end
    assert len(messages) == len(catalogue.splitlines()) - between
    for english, german in messages.values():
        assert set(re.findall(r"\{(\w+)", english)) == set(re.findall(r"\{(\w+)", german))
    text = "".join(path.read_text(encoding="utf-8") for path in modules() if path.name not in CATALOGUES)
    said = set(re.findall(r'"([\w. ]+)"', text))
    families = set(re.findall(r"\b(?:t|said)\(`([\w.]+)\.\$\{", text))
    missing = {key for key in re.findall(r'\bt\("([\w. ]+)"', text) if key not in messages}
    assert missing == set()
    assert families
    unused = {key for key in messages if key not in said and key.partition(".")[0] not in families}
    assert unused == set()
