"""Rulemill: a declarative event engine."""
