"""Row `memory`: what `serve` keeps for itself, after all that makes it grow."""
from .load import Load, tashika
from .processes import anonymous_bytes
from .table import at_most, say

MEMORY_MAX = 64 << 20
SERIALS = 30_000  # their answers are more than the cache holds
CONNECTIONS = 256
NAME = "answers"


def rows(bench):
    inputs = bench.inputs
    home = inputs.ingested(NAME, bench.sizes.answers)
    load = Load(inputs, home, inputs.serials(bench.sizes.answers, min(SERIALS, bench.sizes.answers // 2)), bench.seconds)
    with tashika(inputs, NAME, bench.log, threads=0, core=None) as server:
        for kind in ("post", "get", "nonce"):
            say(f"memory: {kind} requests on {CONNECTIONS} connections")
            load.run(server, kind, connections=CONNECTIONS)
        used = anonymous_bytes(server[0].pid)
    yield at_most("memory of serve besides the index", "<= 64 MB", f"{used / 1e6:.1f} MB", used / MEMORY_MAX, 1)
