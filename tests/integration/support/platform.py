"""The institutions' API as a process: a private PostgreSQL, two banks with certificates of all roles, and their clients."""
import http.client
import json
import ssl

from cryptography.hazmat.primitives import hashes

from .contract import unnamed_members
from .pki import DAY, Authority
from .program import Server, free_port, said, seconds, tashika, toml_lines
from .tls import CLIENT, HERE, SERVER

ROLES = ("poller", "query", "consent-admin")
SERVICE = "svc_retail-accounts"


class Bank:
    """An institution, with a certificate for each role, one with all of them (`all`), and what else a test adds."""

    def __init__(self, platform, name):
        self.platform, self.name, self.holders = platform, name, {}
        self.id = platform.tashika("institution", "add", name)
        platform.tashika("institution", "service", "add", name, SERVICE)
        for roles in (*((role,) for role in ROLES), ROLES):
            self.add_certificate(roles[0] if len(roles) == 1 else "all", roles)

    def add_certificate(self, label, roles, **options):
        holder = self.platform.institutions.issue(f"{self.name}-{label}", extensions=[CLIENT], **options)
        self.platform.tashika("institution", "certificate", "add", self.name, holder.certificate_path, "--roles",
                              ",".join(roles))
        self.holders[label] = holder
        return holder

    def revoke(self, label):
        self.platform.tashika("institution", "certificate", "revoke", self.name, thumbprint(self.holders[label]))

    def client(self, label="all"):
        return Client(self.platform, self.holders[label])


def thumbprint(holder):
    return holder.certificate.fingerprint(hashes.SHA256()).hex()


class Response:
    def __init__(self, answer, body):
        self.status, self.body = answer.status, body
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)

    def is_problem(self, code, status):
        """Is it that problem, with everything that a problem has?"""
        assert (self.status, self.headers["content-type"]) == (status, "application/problem+json"), self.body
        problem = self.json
        assert (problem["code"], problem["status"]) == (code, status), problem
        assert problem["type"].endswith(f"/problems/{code}")
        assert {"title", "detail", "retryable", "action"} <= problem.keys()
        assert self.headers["cache-control"] == "no-store"
        if code != "not-found":
            assert problem["instance"] == "urn:uuid:" + self.headers["x-request-id"]
        return True


class Client:
    """One connection of TLS, by Python's ssl and http.client; opened when first used."""

    def __init__(self, platform, holder=None):
        self.context = ssl.create_default_context(cafile=str(platform.servers.certificate_path))
        if holder:
            self.context.load_cert_chain(holder.certificate_path, holder.key_path)
        self.connection = http.client.HTTPSConnection("localhost", platform.api_port, context=self.context,
                                                      timeout=seconds(60))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, method, path, body=None, headers=None):
        """`body`: octets as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        response = Response(answer, answer.read())
        if "json" in response.headers.get("content-type", "") and method != "HEAD":
            unknown = unnamed_members(method, path, response.status, response.json)
            assert unknown == [], f"the contract does not name {unknown} of {method} {path}"
        return response

    def get(self, path, **headers):
        return self.call("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Platform:
    """A directory with a configuration, a migrated database and two institutions; serve() starts it.

    `sections` adds to or replaces keys: {"api": {"requests_per_second": 5}, "authority": {…}, "ocsp": {…}}. With an
    "ocsp" section OCSP is served, too, and the issuers need responders.
    """

    def __init__(self, directory, cluster, issuers, **sections):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.config, self.cluster = directory, directory / "tashika.toml", cluster
        self.api_port, self.ops_port, self.ocsp_port = free_port(), free_port(), free_port()
        self.servers, self.institutions, self.strangers = (Authority(directory, name) for name in
                                                           ("servers", "institutions", "strangers"))
        server = self.servers.issue("server", extensions=[SERVER, HERE], valid_for=400 * DAY)  # test_platform_year.py
        ours = self.servers.issue("platform", extensions=[CLIENT])  # towards the authority
        self.url = cluster.database()
        self.base_url = f"https://localhost:{self.api_port}"
        tables = {
            "index": {"directory": "index"},
            "api": {"listen": f"127.0.0.1:{self.api_port}", "base_url": self.base_url, "threads": 2,
                    "certificate": str(server.certificate_path), "key": str(server.key_path),
                    "client_ca": str(self.institutions.certificate_path), "requests_per_second": 5000},
            "database": {"url": self.url, "key_encryption_key": "kek.hex", "connections": 4},
            # Nobody is there unless a test says so.
            "authority": {"url": "https://127.0.0.1:9", "certificate": str(ours.certificate_path),
                          "key": str(ours.key_path), "ca": str(self.servers.certificate_path)},
            "ops": {"listen": f"127.0.0.1:{self.ops_port}"},
        }
        if "ocsp" in sections:
            tables["ocsp"] = {"listen": f"127.0.0.1:{self.ocsp_port}", "access": "open", "threads": 1}
        for name, keys in sections.items():
            tables.setdefault(name, {}).update(keys)
        self.config.write_text("".join(f"[{name}]\n{toml_lines(keys)}" for name, keys in tables.items()) +
                               "".join(issuer.toml() for issuer in issuers))
        self.tashika("migrate")
        self.a, self.b = Bank(self, "bank-a"), Bank(self, "bank-b")

    def tashika(self, *command):
        """Runs a command with this configuration: what it printed."""
        result = tashika(*command, "--config", self.config)
        assert result.returncode == 0, said(result)
        return result.stdout.strip()

    def serve(self, **options):
        return Server(self, **options)

    def anybody(self, label="stranger-to-us", **options):
        """A holder of a certificate of the right CA whom nobody registered."""
        return self.institutions.issue(label, **{"extensions": [CLIENT], **options})
