"""Where the processor time of a call goes, by layer: `python -m bench.profile me`. See `bench/layers.py`."""

import argparse
import os
import subprocess
import sys

from bench.compare import database
from bench.compare.calls import COMPARED
from core.tests.servers import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=[name for name in COMPARED if name != "login"])  # Argon2id is all of that
    call = parser.parse_args().call
    with database.temporary() as url:
        command = [sys.executable, "-m", "bench.layers", call]
        subprocess.run(command, cwd=ROOT, env=os.environ | database.environment(url), check=True)


if __name__ == "__main__":
    main()
