"""Row `ingest`: from a list on the disk to a published index, against the hash of the same list."""
import os
import shutil
import time

from .inputs import ISSUER
from .processes import peak_anonymous_bytes, seconds_of
from .table import at_least, at_most, median, say

MEMORY_MAX = 512 << 20


def write_seconds(path, size):
    """Writes and flushes a file as large as the index, out of memory."""
    block = os.urandom(8 << 20)
    start = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        while size > 0:
            size -= file.write(block[:size])
        os.fsync(file.fileno())
    taken = time.monotonic() - start
    path.unlink()
    return taken


def rows(bench):
    crl = bench.inputs.crl(bench.sizes.ingest)
    config = bench.inputs.config("ingest", crl)
    ingest = [bench.programs.tashika, "ingest", "--config", config]
    index = config.parent / "index"

    say("ingest: how much memory it takes")  # in a run of its own, since to ask takes time
    peak = peak_anonymous_bytes(ingest)
    [file] = (index / ISSUER).glob("*.tix")
    index_bytes = file.stat().st_size

    hashes, writes, walls, ratios = [], [], [], []
    for number in range(bench.rounds):
        say(f"ingest: round {number + 1} of {bench.rounds}")
        shutil.rmtree(index)
        hashes.append(seconds_of(["openssl", "dgst", "-sha256", crl]))
        writes.append(write_seconds(config.parent / "written", index_bytes))
        walls.append(seconds_of(ingest))
        ratios.append(walls[-1] / (2.5 * hashes[-1] + writes[-1]))
    wall = median(walls)
    yield at_most(f"ingest, {bench.sizes.ingest / 1e6:g} M entries, {crl.stat().st_size / 1e6:.0f} MB: wall", "<= 2.5 h + W",
                  f"{wall:.2f} s; h {median(hashes):.2f} s, W {median(writes):.2f} s", median(ratios), 1)
    yield at_most("ingest: private memory", "<= 512 MB", f"{peak / 1e6:.0f} MB", peak / MEMORY_MAX, 1)
    if not bench.skip_openssl:
        say("ingest: `openssl crl`, once")
        command = ["openssl", "crl", "-inform", "DER", "-in", crl, "-CAfile", bench.inputs.pki / "ca.pem", "-noout"]
        theirs = seconds_of(command)
        yield at_least("ingest: against `openssl crl -CAfile`", ">= 15 x faster", f"{theirs:.1f} s", theirs / wall, 15)
    shutil.rmtree(index)
