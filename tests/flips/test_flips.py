"""flips: counted without torch."""

from __future__ import annotations

import subprocess
import sys


def test_the_module_needs_no_torch() -> None:
    code = "import sys, regnas_core.flips; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
