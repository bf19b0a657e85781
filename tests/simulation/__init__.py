"""A deterministic world for the delivery protocol."""
