"""The log of a process that runs for long: one line an entry on standard error, for people and for programs.

Whatever anybody logs, no VIN gets out: it is personal data, and a log is read by many.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

FIELDS: Final = ("vehicle_id", "projection", "partition", "position")  # given as `extra`, where an entry is about one
JSON: Final = "json"
HIDDEN_VIN: Final = "(VIN)"

_log: Final = logging.getLogger(__name__)

# ISO 3779: 17 characters, no I, O, Q, in either case; not the places of a decimal number. What is before it may be a
# byte as Python or a URL writes it.
_VIN: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\x[0-9a-f]{2})|(?<=%[0-9A-Fa-f]{2}))(?<!\d\.)[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![A-Za-z0-9])"
)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # a newline is written by the renderers
_FIRST: Final = ("timestamp", "level", "logger", "event", *FIELDS)


def log_to(form: str, stream: TextIO | None = None) -> None:
    """Write the log to standard error, or to `stream`: our entries from INFO on, those of libraries from WARNING on.

    `form` is one of `adapters.config.LOG_FORMATS`.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(form))
    handler.addFilter(_tells_of_brokers)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("adapters").setLevel(logging.INFO)
    # Of each lost connection it writes five errors, some with tracebacks; what that means an entry of ours says.
    logging.getLogger("kafka.net").setLevel(logging.CRITICAL)
    for name, tells in _TELLING.items():
        logging.getLogger(name).addFilter(tells)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_uncaught


def _tells_of_brokers(entry: logging.LogRecord) -> bool:
    """Return whether an entry tells more than that a client of Kafka has not reached a broker.

    It says that of each attempt, many times a second; whoever needs a broker has an entry of ours every few seconds.
    """
    return not (entry.name.startswith("kafka.") and any(each in entry.getMessage() for each in _NOT_REACHED))


def _tells_of_assignment(entry: logging.LogRecord) -> bool:
    """Return whether an entry tells more than that a client which has just begun knows no partitions yet."""
    return not entry.getMessage().startswith("No partition metadata for topic ")


def _tells_of_futures(entry: logging.LogRecord) -> bool:
    """Return whether an entry tells more than that a client was closed while it lost a connection."""
    error = entry.exc_info[1] if entry.exc_info else None
    closed = type(error) is RuntimeError and str(error) == "NetworkSelector closed!"
    return not (closed and entry.getMessage() == "Error processing errback")


_NOT_REACHED: Final = (
    "KafkaConnectionError",
    "NodeNotReadyError",
    "No node available for metadata refresh",
)
_TELLING: Final = {
    "kafka.coordinator.assignors.sticky.sticky_assignor": _tells_of_assignment,
    "kafka.future": _tells_of_futures,  # where errors of our own callbacks are told as well
}


def formatter(form: str) -> logging.Formatter:
    """Return what writes entries of the standard library in this form."""
    written: Processor
    if form == JSON:
        written = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        written = structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True)
    return ProcessorFormatter(
        foreign_pre_chain=[
            add_log_level,
            add_logger_name,
            ExtraAdder(FIELDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _without_vins,
            written,
        ],
    )


def _log_uncaught(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "?"
    error = failed.exc_value or failed.exc_type()
    _log.critical("the thread %s has ended with an error", name, exc_info=error)


def without_vins(text: str) -> str:
    """Return a text in which each VIN, and whatever looks like one, is hidden."""
    return _VIN.sub(HIDDEN_VIN, text)


def _without_vins(_: Any, __: str, entry: EventDict) -> Mapping[str, Any]:
    return {name: _plain(value) for name, value in entry.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", without_vins(str(value)))
