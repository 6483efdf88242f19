"""The institutions' API under load: its configuration and certificates, an authority that answers at once, the server, and
tls_load, which asks as institutions do. All share the cores: what is measured includes the client's own work."""
import http.client
import json
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from . import http as wire
from .database import ROOT
from .inputs import free_port
from .people import AT, Keys, add_client_certificates, add_institutions
from .processes import Broken, cpu_seconds, run, started

ISSUER = "watched"
NAME, ADDRESS = "加名鳥　歌子", "東京都千代田区加名鳥町９９９番地"
FRESH = "#" * 16  # a new number each time: load/tls_load.cpp

# Of everybody there is a newer certificate, and of each question another one.
AUTHORITY = """
daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_client_certificate {client_ca}; ssl_verify_client on;
    location = /v1/four-information {{ return 200 '{provided}'; }}
    location = /v1/newer-certificate {{ return 200 '{{"state":"awaiting_certificate","billable_yen":0}}'; }}
    location = /v1/withdrawals {{ return 200 '{{"withdrawals":[],"next_after":$arg_after}}'; }}
  }}
}}
"""


def _support():
    sys.path.insert(0, str(ROOT / "tests/integration"))
    from support import crl, pki, tls
    return crl, pki, tls


@dataclass
class Measure:
    """What tls_load saw, and the processor time that everybody took meanwhile."""
    requests: int
    seconds: float
    p99_ms: float
    octets: int
    cpu: dict

    @property
    def per_second(self):
        return self.requests / self.seconds

    def describe(self):
        shares = ", ".join(f"{name} {1e6 * spent / self.requests:.0f}" for name, spent in self.cpu.items() if spent)
        return f"{self.per_second:,.0f}/s, p99 {self.p99_ms:.1f} ms (CPU us a request: {shares})"


class Platform:
    """A migrated database, an issuer with a first list, and institutions with a client certificate each."""

    def __init__(self, bench, home, cluster, institutions, **sections):
        self.bench, self.home, self.cluster = bench, home, cluster
        home.mkdir()
        self._crl, self._pki, self._tls = _support()
        self.authority = self._pki.Authority(home, ISSUER)
        self.servers, self.holders = (self._pki.Authority(home, name) for name in ("servers", "holders"))
        self.server = self.servers.issue("server", extensions=[self._tls.SERVER, self._tls.HERE])
        self.operator = self.holders.issue("operator", extensions=[self._tls.CLIENT])
        self.port, self.ops_port, self.authority_port = free_port(), free_port(), free_port()
        self.base_url = f"https://localhost:{self.port}"
        self.config = home / "tashika.toml"
        self.config.write_text(self._configuration(sections))
        self.tashika("migrate")
        self.lists = 0
        self.publish([1 << 62])
        self.tashika("ingest")
        self.database = cluster.connect()
        self.keys = Keys(home / "kek", self.database)
        self.pems = {}  # of institutions, by id
        self.institutions = self.add_institutions(institutions)

    def _configuration(self, sections):
        tables = {
            "index": {"directory": "index"},
            "api": {"listen": f"127.0.0.1:{self.port}", "base_url": self.base_url, "certificate": self.server.certificate_path,
                    "key": self.server.key_path, "client_ca": self.holders.certificate_path, "requests_per_second": 1_000_000},
            "database": {"url": self.cluster.url, "key_encryption_key": "kek"},
            "authority": {"url": f"https://localhost:{self.authority_port}", "certificate": self.operator.certificate_path,
                          "key": self.operator.key_path, "ca": self.servers.certificate_path},
            "ops": {"listen": f"127.0.0.1:{self.ops_port}"},
        }
        for name, keys in sections.items():
            tables.setdefault(name, {}).update(keys)
        text = "".join(f"[{name}]\n" + "".join(f"{key} = {json.dumps(value, default=str)}\n" for key, value in keys.items())
                       for name, keys in tables.items())
        return text + (f'[[issuers]]\nname = "{ISSUER}"\ncertificate = "{self.authority.certificate_path}"\n'
                       f'crl = ["list.crl"]\n')

    def tashika(self, command):
        return run([self.bench.programs.tashika, command, "--config", self.config])

    def publish(self, serials):
        """The issuer's next list is there to be taken in."""
        self.lists += 1
        entries = [self._crl.Entry(serial, 3) for serial in serials]
        at = self._pki.NOW - self._pki.HOUR + self.lists * self._pki.MINUTE
        (self.home / "list.crl").write_bytes(self._crl.make(self.authority, entries, self.lists, at))

    @property
    def issuer(self):
        return self.authority.key_hash("sha256")

    def add_institutions(self, count):
        from cryptography.hazmat.primitives.serialization import Encoding
        made = add_institutions(self.database, self.keys, count, len(self.pems) + 1)
        certificates = []
        for institution in made:
            holder = self.holders.issue(institution, extensions=[self._tls.CLIENT])
            pem = self.home / f"{institution}.pem"
            pem.write_bytes(holder.certificate_path.read_bytes() + holder.key_path.read_bytes())
            self.pems[institution] = pem
            certificates.append((institution, holder.certificate.public_bytes(Encoding.DER)))
        add_client_certificates(self.database, certificates)
        return made

    @contextmanager
    def served(self):
        """The authority and the server; the server's process."""
        provided = {"state": "provided", "billable_yen": 20, "answered_at": AT, "certificate_issued_at": AT,
                    "certificate": {"issuer_key_hash": self.issuer.hex(), "serial": "40$request_id", "medium": "card"},
                    "items": {"name": {"text": NAME, "map": "0" * len(NAME)},
                              "address": {"text": ADDRESS, "map": "0" * len(ADDRESS)}}}
        conf = self.home / "nginx.conf"
        conf.write_text(AUTHORITY.format(
            home=self.home, port=self.authority_port, certificate=self.server.certificate_path, key=self.server.key_path,
            client_ca=self.holders.certificate_path, provided=json.dumps(provided, ensure_ascii=False)))
        nginx = [self.bench.programs.nginx, "-p", self.home, "-e", self.home / "nginx.log", "-c", conf]
        with started(nginx, self.bench.log) as self.nginx:
            wire.wait_until_up(self.authority_port, self.nginx)
            with started([self.bench.programs.tashika, "serve", "--config", self.config], self.bench.log) as self.process:
                wire.wait_until_up(self.port, self.process)
                yield self.process

    def call(self, institution, method, path, body=None):
        """One request by one institution, on a connection of its own: the JSON of its answer."""
        context = ssl.create_default_context(cafile=self.servers.certificate_path)
        context.load_cert_chain(self.pems[institution])
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=120)
        try:
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            octets = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Broken(f"{method} {path}: {answer.status} {octets[:500]!r}")
        return json.loads(octets)

    def gauge(self, name):
        status, body, _ = wire.ask(self.ops_port, wire.get("/metrics"))
        [value] = [line.split()[-1] for line in body.decode().splitlines() if line.startswith(name + " ")]
        return float(value)

    # --- load ---

    def plan(self, name, requests):
        """Requests of each institution, by id, as tls_load reads them. One list may be of many."""
        lines, files = [], {}
        for institution, texts in requests.items():
            if id(texts) not in files:
                files[id(texts)] = self.home / f"{name}-{len(files)}.requests"
                files[id(texts)].write_bytes(b"".join(text.encode() + b"\0" for text in texts))
            lines.append(f"{self.pems[institution]} {files[id(texts)]}\n")
        path = self.home / f"{name}.plan"
        path.write_text("".join(lines))
        return path

    def _tls_load(self, plan, connections, seconds, mode):
        return [self.bench.programs.tls_load, self.port, self.servers.certificate_path, plan, connections, seconds, mode]

    def load(self, plan, connections, seconds=None, mode="again"):
        before = self._cpu()
        seen = json.loads(run(self._tls_load(plan, connections, seconds or self.bench.seconds, mode)))
        cpu = {name: spent - before[name] for name, spent in self._cpu().items()} | {"client": seen["cpu_seconds"]}
        if seen["wrong"] or seen["broken"] or not seen["requests"]:
            raise Broken(f"answers that were not 200, or broken connections: {seen}\n{self.bench.log.read_text()[-2000:]}")
        return Measure(seen["requests"], seen["seconds"], seen["p99_ms"], seen["octets"], cpu)

    def _cpu(self):
        return {"serve": cpu_seconds(self.process.pid), "PostgreSQL": self.cluster.cpu_seconds(),
                "authority": cpu_seconds(self.nginx.pid)}

    @contextmanager
    def held(self, plan, connections, seconds):
        """While these requests wait for an answer, opened over so many seconds."""
        command = list(map(str, self._tls_load(plan, connections, seconds, "hold")))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                if process.stdout.readline() != "holding\n":
                    raise Broken("tls_load holds no connections")
                yield
                seen = json.loads(process.communicate("", timeout=60)[0])
            finally:
                process.kill()
        if seen["wrong"] or seen["broken"]:
            raise Broken(f"not all requests were held: {seen}")


def request(method, target, body="", **headers):
    """The text of a request. Headers: `Idempotency_Key`, …"""
    if body:
        headers |= {"Content_Type": "application/json", "Content_Length": str(len(body.encode()))}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}"


def query_requests(platform, institution, consents):
    """A question for the name and address of each consent, with tokens that the server made."""
    out = []
    body = json.dumps({"attributes": ["name", "address"], "purpose": "liveness_check"})
    for first in range(0, len(consents), 1000):
        answer = platform.call(institution, "POST", "/v1/consent-tokens/reissue", {"consent_ids": consents[first:first + 1000]})
        out += [request("POST", "/v1/attributes/query", body, Authorization=f"Bearer {one['token']}", Idempotency_Key=FRESH)
                for one in answer["results"]]
    return out
