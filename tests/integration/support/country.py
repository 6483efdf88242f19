"""The stand-in authority as a process, and tashika beside it, both at the stand-in's time."""
import json
import os
import subprocess
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .metrics import Metrics
from .program import PROGRAM, REPOSITORY, free_port, seconds, toml_lines, wait_until

STANDIN = os.environ.get("JLIS_STANDIN", str(REPOSITORY / "build/release/tests/authority/jlis-standin"))
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


def parse_time(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def format_time(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_sanitized(program):
    """Sanitizers want to be loaded before everything else, which the clock's library does, too."""
    return b"__tsan_init" in (content := Path(program).read_bytes()) or b"__asan_init" in content


class Clock:
    """A file with a frozen time, and what makes a process live by it."""

    def __init__(self, path):
        self.path = path

    def set(self, moment):
        self.now = moment
        temporary = self.path.with_suffix(".new")
        temporary.write_text(moment.strftime("%Y-%m-%d %H:%M:%S\n"))
        temporary.rename(self.path)

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.path), "TZ": "UTC",
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                "DONT_FAKE_MONOTONIC": "1"}


class Country:
    """jlis-standin serve, and its control port."""

    def __init__(self, directory, start, seed, people, municipalities, pace=1.0, base_age=0, complete_every=None):
        self.directory = directory / "authority"
        self.directory.mkdir(parents=True)
        self.log = open(directory / "standin.log", "w")
        self.process = subprocess.Popen(
            [STANDIN, "serve", "--directory", str(self.directory), "--start", format_time(start), "--seed", str(seed),
             "--people", str(people), "--municipalities", str(municipalities), "--pace", str(pace),
             *(["--complete-every", str(complete_every)] if complete_every else
               ["--deltas", "--base-age", str(base_age)])], stdout=self.log, stderr=subprocess.STDOUT)
        ports = self.directory / "ports.json"
        wait_until(lambda: ports.exists() or self.process.poll() is not None, 60, "the stand-in")
        assert self.process.poll() is None, (directory / "standin.log").read_text()
        self.control_port = json.loads(ports.read_text())["control"]
        self.now = start

    def ask(self, method, path, body=None):
        return json.loads(self.ask_octets(method, path, body) or b"{}")

    def ask_octets(self, method, path, body=None):
        port = self.control_port if isinstance(self.control_port, int) else self.control_port.rsplit(":", 1)[1]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/control/{path}", method=method,
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=seconds(600)) as answer:
            return answer.read()

    def advance(self, **step):
        self.now = parse_time(self.ask("POST", "advance", step)["now"])

    def authorities(self):
        return self.ask("GET", "authorities")["authorities"]

    def fail(self, **fault):
        self.ask("POST", "fail", fault)

    def heal(self):
        self.ask("DELETE", "fail")

    def stop(self):
        self.process.terminate()
        self.process.wait(seconds(30))
        self.log.close()


# The ways in which lists can come, each with how old the newest may be.
FORMS = {
    "full": {"crl": "full.crl"},
    "partitions": {"crl_manifest": "partitions.txt"},
    "full and delta": {"crl": "full.crl", "delta_crl": "delta.crl"},
    "partitions and deltas": {"crl_manifest": "partitions.txt", "delta_crl_manifest": "partition-deltas.txt"},
}
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)


def floor_time(moment, step):
    return moment - (moment - datetime(2000, 1, 1, tzinfo=timezone.utc)) % step


class Operator:
    """tashika at the country's time: a frozen clock that moves when the country's does."""

    def __init__(self, directory, country):
        self.directory, self.country = directory / "operator", country
        self.directory.mkdir()
        self.clock = Clock(self.directory / "clock")
        self.config = self.directory / "tashika.toml"
        self.port, self.ops_port = free_port(), free_port()
        self.issuers = {}
        text = ("[index]\n" + toml_lines({"directory": "index", "keep": "1h"})
                + "[fetch]\n" + toml_lines({"backoff": "10ms", "attempts": 2, "stall_timeout": "1s",
                                            "timeout": "20s", "parallel": 4,
                                            "ca": str(country.directory / "tls-ca.pem")})
                + "[ocsp]\n" + toml_lines({"listen": f"127.0.0.1:{self.port}", "access": "open"})
                + "[ops]\n" + toml_lines({"listen": f"127.0.0.1:{self.ops_port}"}))
        for number, authority in enumerate(country.authorities()):
            text += self.issuer(number, authority)
        self.config.write_text(text)
        self.server = self.log = None

    def issuer(self, number, authority):
        form = list(FORMS)[number % len(FORMS)]
        base = authority["urls"]["https" if number % 3 == 1 else "http"]
        table = {"name": authority["name"], "certificate": authority["certificate"], "unlisted": "good",
                 **{key: base + name for key, name in FORMS[form].items()}}
        exact = number % 2 == 0
        if exact:
            table |= {"issued": base + "issued.txt", "not_issued": "revoked" if number % 4 == 0 else "unknown"}
        self.issuers[authority["name"]] = {"form": form, "never_issued": table.get("not_issued", "good")}
        responder = {"certificate": authority["responder_certificate"], "key": authority["responder_key"]}
        return "[[issuers]]\n" + toml_lines(table) + "[issuers.responder]\n" + toml_lines(responder)

    def environment(self):
        self.clock.set(self.country.now)
        return self.clock.environment()

    def ingest(self, *arguments):
        return subprocess.run([PROGRAM, "ingest", "--config", str(self.config), *arguments], capture_output=True, text=True,
                              env=self.environment(), stdin=subprocess.DEVNULL, timeout=seconds(600))

    def serve(self):
        self.log = open(self.directory / "server.log", "w")
        self.server = subprocess.Popen([PROGRAM, "serve", "--config", str(self.config)], env=self.environment(),
                                       stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def newest_generations(self):
        return {name: max(int(path.stem) for path in (self.directory / "index" / name).glob("0*.tix"))
                for name in self.issuers}

    def wait_until_served(self):
        """Until the server has taken up the newest generation of every issuer, and the issued serials beside it."""
        def is_served():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/metrics", timeout=seconds(10)) as answer:
                    metrics = Metrics(answer.read().decode())
            except OSError:  # still starting
                return False
            return newest == {name: metrics.value("tashika_index_generation", issuer=name) for name in self.issuers}

        newest = self.newest_generations()
        wait_until(is_served, 10, f"generations {newest}")
        time.sleep(seconds(0.15))

    def freshest(self, name):
        """When the newest lists of an issuer were published."""
        return floor_time(self.country.now, QUARTER if "delta" in self.issuers[name]["form"] else DAY)

    def compare(self, name, since):
        return self.country.ask("POST", "compare", {"authority": name, "ocsp": f"http://127.0.0.1:{self.port}/ocsp",
                                                    "since": format_time(since), "never_issued": 50})

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(seconds(30))
            self.log.close()
