"""Bytes of events: one Avro schema an event type; the same bytes in the event store and on Kafka.

`registry` knows the schemas and their ids, `lock` keeps released ones as they are, `fit` says what fits a schema type,
`codec` turns events into bytes and back, `mapper` does so in the terms of the eventsourcing library.

Architecture invariant: nothing here knows where bytes are kept or how they travel.
"""
