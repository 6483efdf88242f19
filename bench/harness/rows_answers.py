"""Rows `cached` and `signed`: answers a second of the server's processor time, on one core."""
import json
from contextlib import ExitStack

from . import http
from .load import Load, nginx, raw_epoll, tashika
from .processes import SERVER_CORE, Broken, pinned, run
from .table import at_least, median, say

SERIALS = 1000
NAME = "answers"


class Contest:
    """Servers that wait for their turn: one is loaded while the others sleep."""

    def __init__(self, bench, stack):
        self.bench = bench
        inputs = bench.inputs
        self.home = inputs.ingested(NAME, bench.sizes.answers)
        listed = inputs.serials(bench.sizes.answers, SERIALS // 2)
        absent = inputs.serials(bench.sizes.answers, SERIALS // 2, absent=True)
        self.load = Load(inputs, self.home, [one for pair in zip(listed, absent) for one in pair], bench.seconds)
        self.servers = {"tashika": stack.enter_context(tashika(inputs, NAME, bench.log))}
        port = self.servers["tashika"][1]
        for serial, expected in ((listed[0], "revoked"), (absent[0], "good")):
            status, body, answer = http.ask(port, http.post(inputs.request(serial)))
            if status != 200:
                raise Broken(f"the answer is {answer[:100]!r}")
            inputs.verify(body, serial, expected)
        self.servers["raw"] = stack.enter_context(raw_epoll(inputs, self.home, bench.log, answer))
        self.servers["nginx"] = stack.enter_context(nginx(inputs, self.home, bench.log, body))
        nonce = b"\x0f" * 16
        _, self.signed_body, signed_answer = http.ask(port, http.post(inputs.request(listed[0], nonce)))
        if nonce not in self.signed_body:
            raise Broken("the answer does not hold the nonce")
        self.servers["raw signed"] = stack.enter_context(raw_epoll(inputs, self.home, bench.log, signed_answer))

    def rounds(self, turns, between=lambda: None):
        """Every turn (server, kind of request) as often as there are rounds; the first one warms up."""
        measures = {turn: [] for turn in turns}
        for number in range(self.bench.rounds + 1):
            for turn in turns:
                server, kind = turn
                say(f"{kind} requests: {server}, " + (f"round {number}" if number else "warming up"))
                file = "file" if kind == "get" and server == "nginx" else None
                measure = self.load.run(self.servers[server], kind, file=file, seconds=None if number else 1)
                if number:
                    measures[turn].append(measure)
            if number:
                between()
        return measures


def per_cpu_second(measures):
    return median(one.per_cpu_second for one in measures)


def describe(measures):
    return (f"{per_cpu_second(measures):,.0f} ({median(one.per_second for one in measures):,.0f}/s at "
            f"{median(one.busy for one in measures):.0%}, p99 {median(one.p99_ms for one in measures):.1f} ms)")


def paired(above, below):
    """The median of the ratios of each round: what disturbs the machine disturbs both."""
    return median(a.per_cpu_second / b.per_cpu_second for a, b in zip(above, below))


def cached(bench):
    with ExitStack() as stack:
        contest = Contest(bench, stack)
        for kind in ("post", "get"):
            turns = [(server, kind) for server in ("nginx", "tashika", "raw")]
            theirs, ours, limit = contest.rounds(turns).values()
            yield at_least(f"cached answer, {kind.upper()}, a CPU-second", ">= 1.0 x nginx",
                           f"{describe(ours)}; nginx {describe(theirs)}; raw loop {describe(limit)}, "
                           f"{paired(ours, limit):.2f} of it", paired(ours, theirs), 1.0)


def signed(bench):
    pki = bench.inputs.pki
    sign = pinned([bench.programs.sign, pki / "responder.key", pki / "responder.pem", 3, 4000], SERVER_CORE)
    signing = []
    with ExitStack() as stack:
        turns = [("tashika", "nonce"), ("raw signed", "nonce")]
        measures = Contest(bench, stack).rounds(turns, lambda: signing.append(json.loads(run(sign))))
        ours, constant = measures.values()
    limits = [1e6 / (one["evp_us"] + 1e6 / answer.per_cpu_second) for one, answer in zip(signing, constant)]
    yield at_least("signed answer, fresh nonce, P-256, a CPU-second", ">= 0.75 x limit",
                   f"{describe(ours)}; limit {median(limits):,.0f}: sign {median(one['evp_us'] for one in signing):.1f} us, "
                   f"constant answer {1e6 / per_cpu_second(constant):.1f} us",
                   median(one.per_cpu_second / limit for one, limit in zip(ours, limits)), 0.75)
