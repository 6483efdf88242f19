"""Row `lookup`: serials in a mapped index against std::lower_bound; bench_lookup.cpp does the work."""
import json

from .processes import LOAD_CORE, pinned, run
from .table import at_most, say

KINDS = {"uniform": (0.2, 14), "counters": (0.2, 14), "random20": (0.3, 27)}


def rows(bench):
    for entries in bench.sizes.lookup:
        for kind, (ratio_max, bytes_max) in KINDS.items():
            say(f"lookup: {entries / 1e6:g} M keys, {kind}")
            said = run(pinned([bench.programs.lookup, kind, entries, bench.directory, bench.sizes.queries, bench.rounds],
                              LOAD_CORE))
            result = json.loads(said)
            name = f"lookup, {entries / 1e6:g} M {kind}"
            for one in result["results"]:
                yield at_most(f"{name}: {one['query']}, {one['pace']}", f"<= {ratio_max} x lower_bound",
                              f"{one['index_ns']:.0f} ns; {one['lower_bound_ns']:.0f} ns; one random read of the file "
                              f"{result['one_read_ns']:.0f} ns", one["ratio"], ratio_max)
            size = result["bytes_an_entry"]
            yield at_most(f"{name}: bytes an entry", f"<= {bytes_max}", f"{size:.2f}", size / bytes_max, 1)
