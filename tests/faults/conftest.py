from tests.support.kafka import kafka_distribution

__all__ = ["kafka_distribution"]
