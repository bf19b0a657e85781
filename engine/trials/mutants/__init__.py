"""Mutants of a ruleset: each says one thing otherwise, as a slip of its author would. A file for each family."""
