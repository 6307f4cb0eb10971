"""The partition of a key is that of every other Kafka client: their own partitioner is the oracle."""

from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner
from kafka.partitioner.default import murmur2 as their_murmur2

from adapters.kafka.partition import murmur2, partition_of

KEYS = st.binary(max_size=64) | st.uuids().map(lambda value: str(value).encode())


@given(KEYS)
@example(b"")
@example(b"\xff" * 7)
def test_the_hash_is_that_of_the_client(key: bytes) -> None:
    assert murmur2(key) == their_murmur2(key)


@given(KEYS, st.integers(1, 300))
def test_the_partition_is_that_of_the_client(key: bytes, partitions: int) -> None:
    numbers = set(range(partitions))
    cluster = SimpleNamespace(
        topics=lambda: {"t"}, partitions_for_topic=lambda _: numbers, available_partitions_for_topic=lambda _: numbers
    )
    assert partition_of(key, partitions) == DefaultPartitioner().partition("t", key, key, None, None, cluster)


def test_the_hash_is_that_of_the_java_client() -> None:
    # org.apache.kafka.common.utils.UtilsTest, testMurmur2; there the numbers are signed
    expected = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: murmur2(key) for key in expected} == {key: value % 2**32 for key, value in expected.items()}
