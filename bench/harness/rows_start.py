"""Row `start`: from the start of `tashika serve` to the first right answer."""
import shutil
import time

from . import http
from .inputs import ISSUER, free_port
from .processes import Broken, started
from .table import at_most, median, say

SECONDS_MAX = 2
STARTS = 5


def first_answer(bench, config, port, request):
    """How long it took, and the answer."""
    begin = time.monotonic()
    with started([bench.programs.tashika, "serve", "--config", config], bench.log) as process:
        while process.poll() is None and time.monotonic() < begin + 60:
            try:
                status, body, _ = http.ask(port, request)
            except ConnectionRefusedError:
                time.sleep(0.002)
                continue
            if status == 200 and len(body) > 5:  # an error answer, such as tryLater, has five octets
                return time.monotonic() - begin, body
    raise Broken("`tashika serve` gave no answer within a minute")


def rows(bench):
    entries = bench.sizes.start
    home = bench.inputs.ingested("start", entries)
    bench.inputs.drop(bench.inputs.crl(entries))
    [index] = (home / "index" / ISSUER).glob("*.tix")
    serials = bench.inputs.serials(entries, STARTS)
    times = []
    for serial in serials:
        say(f"start: {len(times) + 1} of {STARTS}")
        with open(index, "rb", buffering=0) as file:  # into the page cache
            while file.read(8 << 20):
                pass
        port = free_port()
        config = bench.inputs.config("start", port=port)
        taken, body = first_answer(bench, config, port, http.post(bench.inputs.request(serial)))
        bench.inputs.verify(body, serial, "revoked")
        times.append(taken)
    taken = median(times)
    yield at_most(f"start, {entries / 1e6:g} M entries: first right answer", "<= 2 s", f"{taken:.2f} s", taken / SECONDS_MAX, 1)
    shutil.rmtree(home)
