"""From a line of YAML to a plan: load, parse, check, compile."""
