"""Faults over the whole: two instances of several workers over a real Redis and a real Kafka, under load, and what must hold afterwards."""
