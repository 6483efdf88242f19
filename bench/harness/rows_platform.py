"""Rows `feed`, `query` and `longpoll`: the institutions' API, over mutual TLS, on a real PostgreSQL. And `token`."""
import json
import os
import re

from .database import ask, cluster
from .people import add_changes, add_people
from .platform import ADDRESS, NAME, Platform, query_requests, request
from .processes import LOAD_CORE, Broken, anonymous_bytes, pinned, run
from .table import at_least, at_most, median, say

PAGE = 100
POLLERS = 32
INSTITUTIONS = 32  # who ask; each has a chain of audit rows, and so is one queue
QUERIES_AT_ONCE = 8
HELD_MEMORY_MAX = 256 << 20
# What server/store/feed_reading.cpp prepares, and what server/store/connection.cpp sets.
STATEMENT = ("SELECT epoch, last_pos, pruned_pos, retained_from, coalesce(first_item, 0), coalesce(last_item, 0), "
             "coalesce(items, '') FROM feed_page(:institution{}, :after, :limit);")
SETTINGS = ("-c search_path=tashika -c statement_timeout=5000 -c lock_timeout=5000 "
            "-c idle_in_transaction_session_timeout=10000 -c client_min_messages=warning -c TimeZone=UTC")


def _cursors(platform, institution, pages):
    """Of so many pages, from the beginning, as the server gives them out."""
    out = [""]
    while len(out) < pages:
        page = platform.call(institution, "GET", f"/v1/changes?limit={PAGE}{out[-1]}")
        if len(page["items"]) != PAGE:
            raise Broken(f"a page of {len(page['items'])} items")
        out.append(f"&cursor={page['next_cursor']}")
    return out


def _pgbench(platform, pages, seconds):
    """Statements a second of as many clients as there are pollers, each asking for another feed's pages in no order."""
    scripts = []
    for number in range(POLLERS):
        path = platform.home / f"feed-{number}.sql"
        path.write_text(f"\\set after {PAGE} * random(0, {pages - 1})\n{STATEMENT.format(number)}\n")
        scripts += ["-f", path]
    names = [word for number, one in enumerate(platform.institutions) for word in ("-D", f"institution{number}={one}")]
    said = run(["pgbench", "-n", "-M", "prepared", "-c", POLLERS, "-j", 2, "-T", seconds, "-D", f"limit={PAGE}", *names, *scripts,
                platform.cluster.url], env={**os.environ, "PGOPTIONS": SETTINGS})
    if "number of failed transactions: 0 " not in said:
        raise Broken(said)
    return float(re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)[1])


def feed(bench):
    pages = bench.sizes.feed_pages
    with cluster() as database:
        platform = Platform(bench, bench.directory / "feed", database, POLLERS)
        add_changes(platform.database, platform.institutions, pages * PAGE)
        with platform.served():
            plan = platform.plan("feed", {one: [request("GET", f"/v1/changes?limit={PAGE}{cursor}")
                                                for cursor in _cursors(platform, one, pages)] for one in platform.institutions})
            platform.load(plan, POLLERS, 1)
            theirs, ours = [], []
            for number in range(bench.rounds):
                say(f"feed: round {number + 1}")
                theirs.append(_pgbench(platform, pages, bench.seconds))
                ours.append(platform.load(plan, POLLERS))
    middle = sorted(ours, key=lambda one: one.per_second)[(len(ours) - 1) // 2]
    yield at_least(f"GET /changes of {PAGE} items, {POLLERS} pollers", ">= 0.6 x pgbench",
                   f"{middle.describe()}, {middle.octets / middle.requests / 1000:.1f} KB an answer; pgbench {median(theirs):,.0f}/s",
                   median(one.per_second / other for one, other in zip(ours, theirs)), 0.6)


def query(bench):
    """Each consent is asked for once, so every round has its own."""
    rounds, share = bench.rounds + 1, bench.sizes.queries_of // INSTITUTIONS
    with cluster() as database:
        platform = Platform(bench, bench.directory / "query", database, INSTITUTIONS)
        consents = add_people(platform.database, platform.keys, platform.institutions, platform.issuer,
                              rounds * share * INSTITUTIONS, "available")
        with platform.served():
            say(f"query: tokens for {rounds * share * INSTITUTIONS:,} consents")
            requests = {one: query_requests(platform, one, consents[one]) for one in platform.institutions}
            plans = [platform.plan(f"query-{number}", {one: all_of_it[number * share:(number + 1) * share]
                                                       for one, all_of_it in requests.items()}) for number in range(rounds)]
            measures = []
            for number, plan in enumerate(plans):
                say("query: " + (f"round {number}" if number else "warming up"))
                measures.append(platform.load(plan, 2 * INSTITUTIONS, None if number else 1, "once"))
        ask(platform.database, "CHECKPOINT")
        [[given, yen]] = ask(platform.database, "SELECT count(*), sum(yen) FROM disclosure WHERE outcome = 'provided' AND billable")
        asked = sum(one.requests for one in measures)
        if (given, yen) != (asked, 20 * asked):
            raise Broken(f"{asked} questions had an answer, and the books say {given} answers and {yen} yen")
        database.must_not_hold(NAME, ADDRESS)
    middle = sorted(measures[1:], key=lambda one: one.per_second)[(bench.rounds - 1) // 2]
    yield at_least("POST /attributes/query, all provided, nothing in the clear", ">= 1000/s", middle.describe(),
                   middle.per_second / 1000, 1)


def longpoll(bench):
    held = bench.sizes.held
    with cluster() as database:
        platform = Platform(bench, bench.directory / "longpoll", database, INSTITUTIONS)
        consents = add_people(platform.database, platform.keys, platform.institutions, platform.issuer, 10 * INSTITUTIONS)
        say(f"longpoll: certificates for {held // 2:,} institutions")
        waiting = [request("GET", "/v1/changes?wait=50")]
        holders = platform.plan("held", {one: waiting for one in platform.add_institutions(held // 2)})
        with platform.served() as process:
            plan = platform.plan("query", {one: query_requests(platform, one, consents[one]) for one in platform.institutions})
            platform.load(plan, QUERIES_AT_ONCE, 1)
            quiet = [platform.load(plan, QUERIES_AT_ONCE) for _ in range(bench.rounds)]
            before = anonymous_bytes(process.pid)
            say(f"longpoll: opening {held:,} connections in {held // 200} s")
            with platform.held(holders, held, held / 200):  # as fast as their waits will end
                waiters = platform.gauge("tashika_feed_waiters")
                if waiters < 0.99 * held:
                    raise Broken(f"only {waiters:.0f} requests wait")
                beside = [platform.load(plan, QUERIES_AT_ONCE) for _ in range(bench.rounds)]
                used = anonymous_bytes(process.pid)
    with_them, without = (median(one.p99_ms for one in measures) for measures in (beside, quiet))
    yield at_most(f"{held:,} idle long-polls: private memory of serve", "<= 256 MB",
                  f"{used / 1e6:.0f} MB; {before / 1e6:.0f} MB without, {(used - before) / held / 1000:.1f} KB each",
                  used / HELD_MEMORY_MAX, 1)
    yield at_most("beside them: p99 of queries", "<= 1.5 x without", f"{with_them:.1f} ms; {without:.1f} ms",
                  with_them / without, 1.5)


def token(bench):
    """On one core, in short turns, and many of them: signatures are where a busy neighbour shows most."""
    speed = pinned(["openssl", "speed", "-mr", "-seconds", 1, "ecdsap256"], LOAD_CORE)
    theirs, bare, ours = [], [], []
    for number in range(3 * bench.rounds):
        say(f"token: turn {number + 1} of {3 * bench.rounds}")
        theirs.append(float(re.search(r"^\+F4:\d+:256:[0-9.]+:([0-9.]+)$", run(speed), re.MULTILINE)[1]))
        said = json.loads(run(pinned([bench.programs.token, 3, 2000], LOAD_CORE)))
        bare.append(1e6 / said["evp_verify_us"])
        ours.append(1e6 / said["token_verify_us"])
    yield at_least("consent token verified, a core", ">= 0.8 x openssl speed",
                   f"{median(ours):,.0f}/s; {median(theirs):,.0f}/s; the signature alone in our process {median(bare):,.0f}/s",
                   median(one / other for one, other in zip(ours, theirs)), 0.8)
