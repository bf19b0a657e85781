"""`python -m engine` is `rulemill`."""

import sys

from engine.cli.main import main

sys.exit(main())
