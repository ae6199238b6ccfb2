"""Small modules of the tests' own, which do to the process what another module might."""

import shlex
import subprocess
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def build(name, folder):
    """Compiles Tests/httpd/NAME/mod_NAME.c; the path of the module."""
    def flags(*names):
        return [word for name in names for word in
                shlex.split(subprocess.run(["apxs", "-q", name], check=True, capture_output=True, text=True).stdout)]

    built = folder / f"mod_{name}.so"
    folders = [f"-I{folder}" for folder in flags("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
    subprocess.run(["gcc", "-shared", "-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags("CFLAGS", "EXTRA_CPPFLAGS"),
                    *folders, "-o", str(built), str(TESTS / name / f"mod_{name}.c")], check=True)
    return built
