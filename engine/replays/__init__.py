"""Recorded events through one ruleset or two, side by side: what would be decided, and what another ruleset would decide otherwise."""
