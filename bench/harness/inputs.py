"""What is measured with: a public key infrastructure, lists, OCSP requests and configurations."""
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import Broken, run
from .table import say

SEED = 7
ISSUER = "bench"


@dataclass
class Programs:
    """Where the build left what is run."""
    build: Path

    def __post_init__(self):
        self.tashika = self.build / "server/tashika"
        self.standin = self.build / "tests/authority/jlis-standin"
        self.lookup = self.build / "bench/bench_lookup"
        self.sign = self.build / "bench/bench_sign"
        self.token = self.build / "bench/bench_token"
        self.tls_load = self.build / "bench/tls_load"
        self.raw_epoll = self.build / "bench/raw_epoll"
        self.nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.wrk = shutil.which("wrk") or "/usr/bin/wrk"


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


class Inputs:
    """One work directory. Lists are made when they are first asked for, and may be dropped again."""

    def __init__(self, programs, directory):
        self.programs = programs
        self.directory = directory
        self.pki = directory / "pki"
        run([programs.standin, "pki", "--out", self.pki, "--seed", SEED])
        said = run(["openssl", "x509", "-in", self.pki / "ca.pem", "-noout", "-ocspid"])
        name, key = (bytes.fromhex(found) for found in re.findall(r"hash: ([0-9A-F]{40})", said))
        sha1 = bytes.fromhex("300906052b0e03021a0500")
        self.cert_id_start = sha1 + tlv(4, name) + tlv(4, key)

    def crl(self, entries):
        path = self.directory / f"crl-{entries}.der"
        if not path.exists():
            say(f"making a list of {entries:,} entries")
            run([self.programs.standin, "crl", "--ca", self.pki / "ca.pem", "--key", self.pki / "ca.key", "--out", path,
                 "--entries", entries, "--seed", SEED])
        return path

    @staticmethod
    def drop(crl):
        """Room for what comes next; it is made anew if it is asked for again."""
        crl.unlink(missing_ok=True)

    def serials(self, entries, count, absent=False):
        said = run([self.programs.standin, "serials", "--entries", entries, "--seed", SEED, "--count", count]
                   + (["--absent"] if absent else []))
        return said.split()

    def request(self, serial, nonce=b""):
        """An OCSPRequest for a serial in hex; the nonce, if any, makes its last octets."""
        number = int(serial, 16)
        octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
        single = tlv(0x30, tlv(0x30, self.cert_id_start, tlv(2, octets)))
        extension = b""
        if nonce:
            oid = bytes.fromhex("06092b0601050507300102")
            extension = tlv(0xA2, tlv(0x30, tlv(0x30, oid, tlv(4, tlv(4, nonce)))))
        return tlv(0x30, tlv(0x30, tlv(0x30, single), extension))

    def config(self, name, crl="none.der", port=None, threads=0):
        """A configuration with an index directory of its own, beside it."""
        home = self.directory / name
        home.mkdir(exist_ok=True)
        ocsp = f'[ocsp]\nlisten = "127.0.0.1:{port}"\nthreads = {threads}\n' if port else ""
        path = home / "tashika.toml"
        path.write_text(f'''{ocsp}
[index]
directory = "index"

[[issuers]]
name = "{ISSUER}"
certificate = "{self.pki}/ca.pem"
crl = ["{crl}"]

[issuers.responder]
certificate = "{self.pki}/responder.pem"
key = "{self.pki}/responder.key"
''')
        return path

    def ingested(self, name, entries):
        """A directory with an index of so many entries, ready to be served; `config` completes it."""
        home = self.directory / name
        if not (home / "index" / ISSUER).exists():
            config = self.config(name, self.crl(entries))
            say(f"ingesting {entries:,} entries")
            run([self.programs.tashika, "ingest", "--config", config])
        return home

    def verify(self, response, serial, expected):
        """Lets openssl read and verify a response to a request without a nonce."""
        path = self.directory / "response.der"
        path.write_bytes(response)
        done = subprocess.run(["openssl", "ocsp", "-issuer", self.pki / "ca.pem", "-CAfile", self.pki / "ca.pem", "-serial",
                               f"0x{serial}", "-respin", path], capture_output=True, text=True)
        if "Response verify OK" not in done.stderr or f": {expected}" not in done.stdout:
            raise Broken(f"openssl does not take the answer for {serial} as {expected}:\n{done.stdout}{done.stderr}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
