"""Servers that tests need and the engine only talks to: found or fetched, started on this machine, and stopped."""
