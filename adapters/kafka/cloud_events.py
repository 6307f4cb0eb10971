"""Records as CloudEvents 1.0: the Kafka protocol binding, binary content mode."""

from adapters.clock import iso_time
from domain.units import Micros

Headers = list[tuple[str, bytes]]


def cloud_event_headers(key: bytes, number: str, event_type: str, at: Micros) -> Headers:
    """Return the headers of a record of a vehicle; `key` is the vehicle's id, `number` what tells its records apart."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", key + b"/" + number.encode()),
        ("ce_source", b"fleettwin"),
        ("ce_type", event_type.encode()),
        ("ce_subject", key),
        ("ce_time", iso_time(at).encode()),
        ("content-type", b"application/avro"),
    ]
