"""Raw Kafka protocol for the tests: no line of it is shared with Shunt's own codec."""
