"""Where the tests find farmhttpd, and its fixtures."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from farmhttpd.fixtures import *  # noqa: E402, F403
