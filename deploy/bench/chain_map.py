"""How long `andon chain check` takes on the largest map it is made for: 100,000 sites, 800,000 rows of sourcing.

The folder is generated (`tests.bench.chain_networks`, seed 20261123) and checked in a process of its own, from the
first file to the Network. Times are CPU seconds of one core; memory is the most that the process had.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from deploy.bench.figure import Figure, NotMeasured

RUNS = 1

FIRMS, LINKS = 100_000, 800_000
FIGURES = (
    Figure("read, check and compile 100,000 sites / 800,000 rows", "s of CPU", must=60.0, aim=20.0),
    Figure("of it reading", "s of CPU"),
    Figure("most memory", "GB", must=4.0, aim=1.0),
    Figure("size of the folder", "MB"),
)

_CHECK = """
import resource, sys, time
from pathlib import Path
import msgspec
from detectors.chain.map.folder import check
from detectors.chain.map.reading import read_folder
folder = Path(sys.argv[1])
start_s = time.process_time()
read_folder(folder)
read_s = time.process_time() - start_s
checked = check(folder)
whole_s = time.process_time() - start_s - read_s
most_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
found = (checked.network is not None, len(checked.network.nodes), len(checked.network.arcs))
sys.stdout.buffer.write(msgspec.json.encode((whole_s, read_s, most_gb, found)))
"""


def once() -> tuple[float, ...]:
    try:
        from tests.bench.chain_networks import random_tables, write_folder
    except ImportError as error:
        raise NotMeasured("the generator lives in tests/bench; run `make bench` in a checkout") from error
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_folder(random_tables(FIRMS, LINKS), folder)
        size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        told = subprocess.run([sys.executable, "-c", _CHECK, made], check=True, stdout=subprocess.PIPE).stdout
    whole_s, read_s, most_gb, found = msgspec.json.decode(told)
    if found != [True, FIRMS, LINKS]:
        raise NotMeasured(f"the generated chain is not as asked: {found}; mend tests/bench/chain_networks.py")
    return whole_s, read_s, most_gb, size_mb


def conditions() -> str:
    return f"a generated folder of {FIRMS:,} sites and {LINKS:,} rows of sourcing, warm file cache"
