"""Runs the program under test: writes its configuration, ingests, serves, and ends what it started."""
import json
import math
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from .messages import Answer, cert_id, request

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = os.path.abspath(os.environ.get("TASHIKA", REPOSITORY / "build/release/server/tashika"))
FACTOR = float(os.environ.get("TASHIKA_TIMEOUT_FACTOR", "1"))
KILLS = 200 if os.environ.get("TASHIKA_LONG") == "1" else 20  # how often a test ends something by SIGKILL


def seconds(number):
    """Every wait goes through here: sanitizer builds need several times as long."""
    return number * FACTOR


def duration(number):
    """The same as text for the configuration."""
    return f"{math.ceil(seconds(number))}s"


def tashika(*arguments, timeout=60, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=seconds(timeout),
                          stdin=subprocess.DEVNULL, **options)


def said(result):
    """Everything a finished command printed."""
    return result.stdout + result.stderr


def lookup(index_file, *serials):
    """The statuses that `index lookup` gives for serials: "revoked" or "unlisted"."""
    result = tashika("index", "lookup", index_file, *(f"{serial:x}" for serial in serials), "--json")
    assert result.returncode == 0, said(result)
    return [one["status"] for one in json.loads(result.stdout)]


def wait_until(condition, timeout=10, what="the condition"):
    deadline = time.monotonic() + seconds(timeout)
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds(timeout)} s for {what}"
        time.sleep(0.02)


def wait_for_status(status, call, timeout=10):
    """The first answer of `call` that has that status."""
    deadline = time.monotonic() + seconds(timeout)
    while (answer := call()).status != status:
        assert time.monotonic() < deadline, f"waited {seconds(timeout)} s for {status}; the last was {answer.status} {answer.body}"
        time.sleep(0.02)
    return answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def refuses(port):
    """Does nobody listen there?"""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=seconds(2)).close()
        return False
    except ConnectionRefusedError:
        return True


@dataclass
class Issuer:
    """One [[issuers]] table; `responder` as from Holder.as_responder()."""
    authority: object
    responder: dict | None = None
    options: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.authority.name

    def toml(self):
        table = {"name": self.name, "certificate": str(self.authority.certificate_path), "crl": [f"{self.name}.crl"],
                 **self.options}
        text = "[[issuers]]\n" + toml_lines(table)
        return text + ("[issuers.responder]\n" + toml_lines(self.responder) if self.responder else "")


def toml_lines(table):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items() if value is not None)


class Installation:
    """A directory with tashika.toml, the lists to take in (<issuer>.crl) and the index."""

    def __init__(self, directory, issuers, ocsp=None, index=None, index_options=None, fetch=None, ports=None):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.config = directory, directory / "tashika.toml"
        self.index = index or directory / "index"
        self.ocsp_port, self.ops_port = ports or (free_port(), free_port())
        ocsp = {"listen": f"127.0.0.1:{self.ocsp_port}", "access": "open", "threads": 2, **(ocsp or {})}
        self.config.write_text("[index]\n" + toml_lines({"directory": str(self.index) if index else "index",
                                                         **(index_options or {})})
                               + ("[fetch]\n" + toml_lines(fetch) if fetch else "")
                               + "".join(issuer.toml() for issuer in issuers)
                               + "[ocsp]\n" + toml_lines(ocsp)
                               + "[ops]\n" + toml_lines({"listen": f"127.0.0.1:{self.ops_port}"}))

    def provide(self, name, list_bytes):
        """Puts a list where the configuration says it is fetched from."""
        (self.directory / f"{name}.crl").write_bytes(list_bytes)

    def ingest(self, *arguments, **options):
        return tashika("ingest", "--config", self.config, *arguments, **options)

    def start_ingest(self, *arguments, output=subprocess.DEVNULL, **options):
        """An ingest that goes on while the test does something else."""
        return subprocess.Popen([PROGRAM, "ingest", "--config", str(self.config), *arguments], stdin=subprocess.DEVNULL,
                                stdout=output, stderr=output, **options)

    def publish(self, name, list_bytes):
        self.provide(name, list_bytes)
        result = self.ingest("--issuer", name)
        assert result.returncode == 0, said(result)
        return result

    def generations(self, name):
        return sorted((self.index / name).glob("*.tix"))

    def serve(self, **options):
        return Server(self, **options)


class Server:
    """`tashika serve`, from readiness to a clean end."""

    def __init__(self, installation, ready="/readyz", **options):
        self.installation = installation
        self.ocsp_port, self.ops_port = installation.ocsp_port, installation.ops_port
        self.log, self.ending = installation.directory / "serve.log", False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", "--config", str(installation.config)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, **options)
        try:
            wait_until(lambda: self._is_ready(ready), 20, f"{ready}\n{self.log.read_text()}")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = self.stop()
        if kind is None:
            assert code == 0, f"serve ended with {code}:\n{self.log.read_text()[-4000:]}"

    def _is_ready(self, path):
        assert self.process.poll() is None, f"serve ended with {self.process.returncode}:\n{self.log.read_text()}"
        try:
            return self.ops(path)[0] == 200
        except OSError:
            return False

    def ops(self, path):
        """(status, text) from the operations listener."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}{path}", timeout=seconds(5)) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def url(self, issuer=None):
        return f"http://127.0.0.1:{self.ocsp_port}/ocsp" + (f"/{issuer}" if issuer else "")

    def ask(self, body, path="/ocsp"):
        """Sends one request and parses the answer, which must be an HTTP 200 even when it says no."""
        call = urllib.request.Request(f"http://127.0.0.1:{self.ocsp_port}{path}", body,
                                      {"Content-Type": "application/ocsp-request"})
        with urllib.request.urlopen(call, timeout=seconds(10)) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "application/ocsp-response"
            return Answer(response.read())

    def status(self, authority, serial, **options):
        return self.ask(request(cert_id(authority, serial, **options))).outcome

    def terminate(self):
        """Sends SIGTERM, once."""
        if not self.ending and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.ending = True

    def stop(self):
        """Asks the server to end, if nobody has, and waits for it: its exit code."""
        self.terminate()
        try:
            return self.process.wait(seconds(20))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
