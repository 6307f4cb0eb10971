"""Apache Kafka: topics, partitions, and brokers of our own for tests and for a machine without a cluster."""
