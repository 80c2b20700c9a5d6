"""data: opened without torch and without figures."""

from __future__ import annotations

import subprocess
import sys


def test_import_is_light():
    code = "import sys, regnas_core.data; sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
