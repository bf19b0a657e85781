"""`python -m engine` is `rulemill`."""

from engine.cli.main import command

command()
