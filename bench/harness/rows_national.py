"""Rows `partitions`, `delta`, `diff`, `huge`, `swap`: what a country's lists ask for."""
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from . import http
from .inputs import ISSUER, SEED, free_port
from .load import Load, tashika
from .processes import Broken, peak_anonymous_bytes, run, seconds_of
from .table import at_most, median, say

MEMORY_MAX = 512 << 20
DELTA_ENTRIES = 10_000
SWAPS = 40


def standin_list(bench, out, entries, first_serial, number=1, **options):
    command = [bench.programs.standin, "crl", "--ca", bench.inputs.pki / "ca.pem", "--key", bench.inputs.pki / "ca.key",
               "--out", out, "--entries", entries, "--seed", SEED, "--first-serial", f"{first_serial:x}", "--number", number]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    run(command)


def ingest_command(bench, config):
    return [bench.programs.tashika, "ingest", "--config", config]


class Partitions:
    """Directory of lists of distinct distribution points; a partition's serials are its own."""

    def __init__(self, bench):
        self.bench, self.count = bench, bench.sizes.partitions
        self.entries = bench.sizes.ingest // self.count
        self.stride = (self.entries // 4096 + 2) * 65536
        self.home = bench.directory / "partitions"
        (self.home / "lists").mkdir(parents=True)
        say(f"making {self.count:,} partitions of {self.entries:,} entries")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.write, range(self.count)))

    def write(self, number, crl_number=1, more=0):
        standin_list(self.bench, self.home / f"lists/{number:04}.crl", self.entries + more, 0x02000000 + number * self.stride,
                     crl_number, distribution_point=f"City-{number:04} CRLDP")


def partitions(bench):
    """All of them the first time, and one of them anew, against one list of as many entries."""
    single = bench.inputs.config("single", bench.inputs.crl(bench.sizes.ingest))
    parts = Partitions(bench)
    config = bench.inputs.config("partitioned", parts.home / "lists")
    alone, first, again = [], [], []
    for number in range(bench.rounds):
        say(f"partitions: round {number + 1} of {bench.rounds}")
        for one in (single, config):
            shutil.rmtree(one.parent / "index", ignore_errors=True)
        alone.append(seconds_of(ingest_command(bench, single)))
        first.append(seconds_of(ingest_command(bench, config)))
        parts.write(number, crl_number=2 + number, more=50)
        again.append(seconds_of(ingest_command(bench, config)))
        parts.write(number)  # as it was, for the next first time
    ratios = [f / a for f, a in zip(first, alone)]
    yield at_most(f"{parts.count:,} partitions, {bench.sizes.ingest / 1e6:g} M entries: first ingest",
                  "<= 1.3 x one list", f"{median(first):.2f} s; one list {median(alone):.2f} s", median(ratios), 1.3)
    yield at_most("one changed partition of them", "<= 0.25 x the first", f"{median(again):.3f} s",
                  median([a / f for a, f in zip(again, first)]), 0.25)
    shutil.rmtree(parts.home)
    shutil.rmtree(config.parent)
    shutil.rmtree(single.parent)


def served_since(port, request, expected, begin):
    """How long after `begin` a running server first gave `expected` (b"revoked" tag or good)."""
    while time.monotonic() < begin + 30:
        _, body, _ = http.ask(port, request)
        if expected in body:
            return time.monotonic() - begin
        time.sleep(0.005)
    raise Broken("the delta was not served within 30 s")


def delta(bench):
    """From the start of `tashika ingest` until a running server gives the first answer from the delta."""
    entries = bench.sizes.ingest
    crl = bench.inputs.crl(entries)
    config = bench.inputs.config("delta", crl)
    text = config.read_text().replace("[issuers.responder]", 'delta_crl = ["delta.crl"]\n[issuers.responder]')
    port = free_port()
    config.write_text(text + f'[ocsp]\nlisten = "127.0.0.1:{port}"\nthreads = 1\n')
    list_path = config.parent / "delta.crl"
    revoked_tag = bytes.fromhex("a111180f")  # certStatus revoked [1] with its GeneralizedTime
    walls, served = [], []
    standin_list(bench, list_path, 1, 0x70000000, 2, base_number=1)
    run(ingest_command(bench, config))
    with subprocess.Popen([bench.programs.tashika, "serve", "--config", config], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as server:
        try:
            http.wait_until_up(port, server)
            for number in range(max(5, bench.rounds)):
                first = 0x71000000 + number * 0x100000
                standin_list(bench, list_path, DELTA_ENTRIES, first, 3 + number, base_number=1, reasons="none")
                said = run([bench.programs.standin, "serials", "--entries", DELTA_ENTRIES, "--seed", SEED, "--first-serial",
                            f"{first:x}", "--count", 1])
                request = http.post(bench.inputs.request(said.split()[0]))
                begin = time.monotonic()
                ingest = subprocess.Popen(list(map(str, ingest_command(bench, config))), stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
                served.append(served_since(port, request, revoked_tag, begin))
                if ingest.wait() != 0:
                    raise Broken("the ingest of the delta failed")
                walls.append(time.monotonic() - begin)
        finally:
            server.terminate()
    yield at_most(f"delta of {DELTA_ENTRIES:,} on {entries / 1e6:g} M: file to served", "<= 300 ms",
                  f"{median(served) * 1e3:.0f} ms; the whole ingest {median(walls) * 1e3:.0f} ms", median(served) / 0.3, 1)
    shutil.rmtree(config.parent)


def diff(bench):
    entries = bench.sizes.ingest
    day = entries // 400  # 50,000 of 20 million
    config = bench.inputs.config("diff", bench.inputs.crl(entries))
    run(ingest_command(bench, config))
    grown = config.parent / "grown.der"
    standin_list(bench, grown, entries + day, 0x02000000, 2)
    config.write_text(config.read_text().replace(str(bench.inputs.crl(entries)), str(grown)))
    run(ingest_command(bench, config))
    grown.unlink()
    index = config.parent / "index" / ISSUER
    command = [bench.programs.tashika, "index", "diff", "--summary", index / "000000000001.tix", index / "000000000002.tix"]
    if f"added: {day}" not in run(command):
        raise Broken("the difference is not what was added")
    times = [seconds_of(command) for _ in range(max(5, bench.rounds))]
    yield at_most(f"diff of two generations of {entries / 1e6:g} M", "<= 0.5 s", f"{median(times):.3f} s", median(times) / 0.5, 1)
    shutil.rmtree(config.parent)


def huge(bench):
    """100 M entries in one list, an entry's time against that of 20 M."""
    small, large = bench.sizes.ingest, bench.sizes.start
    times = {}
    for entries in (small, large):
        config = bench.inputs.config("huge", bench.inputs.crl(entries))
        times[entries] = []
        for number in range(bench.rounds if entries == small else 1):
            say(f"huge: {entries:,} entries")
            shutil.rmtree(config.parent / "index", ignore_errors=True)
            times[entries].append(seconds_of(ingest_command(bench, config)) / entries)
    shutil.rmtree(config.parent / "index")
    peak = peak_anonymous_bytes(ingest_command(bench, config))
    bench.inputs.drop(bench.inputs.crl(large))
    ratio = times[large][0] / median(times[small])
    yield at_most(f"ingest, {large / 1e6:g} M entries: time an entry", f"<= 1.3 x that of {small / 1e6:g} M",
                  f"{times[large][0] * 1e9:.0f} ns; {median(times[small]) * 1e9:.0f} ns", ratio, 1.3)
    yield at_most(f"ingest, {large / 1e6:g} M entries: private memory", "<= 512 MB", f"{peak / 1e6:.0f} MB", peak / MEMORY_MAX, 1)
    shutil.rmtree(config.parent)


def swap(bench):
    """Full load while generations change beneath it: failed requests, and the slowest hundredth."""
    entries = bench.sizes.answers
    home = bench.inputs.ingested("swap", entries)
    load = Load(bench.inputs, home, bench.inputs.serials(entries, 1000), bench.seconds)
    crl = bench.inputs.crl(entries)
    say("swap: making the lists beforehand")
    lists = []
    for number in range(2, 2 + SWAPS):
        lists.append(home / f"{number}.der")
        standin_list(bench, lists[-1], entries + number, 0x02000000, number)
    with tashika(bench.inputs, "swap", bench.log) as server:
        config = home / "tashika.toml"
        quiet = [load.run(server, "nonce").p99_ms for _ in range(bench.rounds)]
        over = threading.Event()

        def publish():
            for grown in lists:
                if over.is_set():
                    return
                config.write_text(re.sub(r"crl = .*", f'crl = ["{grown}"]', config.read_text()))
                run(ingest_command(bench, config))
                over.wait(1)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            busy = [load.run(server, "nonce").p99_ms for _ in range(bench.rounds)]  # fails if a request does
        finally:
            over.set()
            thread.join()
    generations = len(list((home / "index" / ISSUER).glob("*.tix")))
    if generations < 1 + bench.rounds:
        raise Broken("generations did not change under load")
    yield at_most("swap under full load: p99, no failed request", "<= 2 x before", f"{median(busy):.2f} ms; {median(quiet):.2f} ms",
                  median(busy) / median(quiet), 2)
    bench.inputs.drop(crl)
    shutil.rmtree(home)
