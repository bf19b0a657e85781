"""`python -m engine`: the `rulemill` command, without having it installed."""

import sys

from engine.cli.main import main

sys.exit(main())
