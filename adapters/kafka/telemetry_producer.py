"""Batches of telemetry into the topic: each is confirmed before the next call returns."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from adapters.kafka.client import Connection, abandon
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.kafka.partition import partition_of
from domain.errors import StoreError
from domain.signals import SignalBatch

CONFIRMED_WITHIN_MS: Final = 30_000  # a batch that is not is not sent, as far as anybody knows
LINGER_MS: Final = 5
REQUEST_BYTES_MAX: Final = 1_048_576


class TelemetryProducer:
    """Sends batches. `encode` gives their bytes, `event_type` is the type of their CloudEvents."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        partitions: int,
        encode: Callable[[SignalBatch], bytes],
        event_type: str,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._encode = encode
        self._event_type = event_type
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None

    def send(self, batches: Sequence[SignalBatch]) -> None:
        """Send batches, those of a vehicle in order, and wait until all of them are confirmed.

        Raises StoreError where one is not: whether it is in the topic is not known then. Sent again, it counts once.
        """
        with self._lock:
            try:
                producer = self._producer = self._producer or self._open()
                futures = [self._sent(producer, batch) for batch in batches]
                producer.flush(timeout=CONFIRMED_WITHIN_MS / 1_000)
                for future in futures:
                    future.get(timeout=0)
            except KafkaError as error:
                self._close()
                raise StoreError(f"Kafka does not confirm telemetry: {error}") from error
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Leave the cluster."""
        with self._lock:
            self._close()

    def _open(self) -> KafkaProducer:
        return KafkaProducer(
            **self._connection.settings(),
            acks="all",
            enable_idempotence=True,  # the client's own repetitions neither double nor reorder
            compression_type="lz4",
            linger_ms=LINGER_MS,
            delivery_timeout_ms=CONFIRMED_WITHIN_MS,
            request_timeout_ms=CONFIRMED_WITHIN_MS // 3,
            max_block_ms=CONFIRMED_WITHIN_MS,
            max_request_size=REQUEST_BYTES_MAX,
            allow_auto_create_topics=False,
        )

    def _sent(self, producer: KafkaProducer, batch: SignalBatch) -> Any:
        key = str(batch.vehicle_id).encode()
        number = f"{batch.stream_id}/{batch.sequence}"
        headers = cloud_event_headers(key, number, self._event_type, batch.received_at)
        partition = partition_of(key, self._partitions)
        return producer.send(self._topic, self._encode(batch), key=key, headers=headers, partition=partition)

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            abandon(producer)
