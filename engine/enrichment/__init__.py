"""Context for events: caches and sources."""
