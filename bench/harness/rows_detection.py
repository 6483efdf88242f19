"""Row `detection`: from a list with a day's revocations to events about the certificates that are watched."""
import base64
import hashlib
import hmac
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from .processes import anonymous_bytes, run
from .table import at_most, say

ROOT = Path(__file__).resolve().parents[2]
ISSUER = "watched"
INSTITUTIONS = 4
SECONDS_MAX = 60


@contextmanager
def database():
    """A private cluster: the URL."""
    directory = tempfile.mkdtemp(prefix="tashika-bench-", dir="/tmp")
    os.chmod(directory, 0o755)
    environment = {**os.environ, "TASHIKA_PG_CONF": "shared_buffers = 1GB\nmax_wal_size = 8GB"}
    try:
        yield run([ROOT / "deploy/database", "start", directory], env=environment).strip()
    finally:
        run([ROOT / "deploy/database", "remove", directory])


def opened(kek, place, sealed):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    return AESGCM(kek).decrypt(sealed[:12], sealed[12:], place.encode())


def id_of(prefix, number):
    return prefix + base64.b32encode(number.to_bytes(16, "big")).decode().rstrip("=").lower()


def der_content(serial):
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big")


def copy(cursor, table, columns, lines):
    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO("".join(lines)))


def watch(url, config, key_bits, count):
    """`count` certificates, with the serials 1 to `count`, each with a subject and an active consent."""
    import psycopg2
    institutions = [run([*config.tashika, "institution", "add", "--config", config.path, f"bank-{i}"]).strip()
                    for i in range(INSTITUTIONS)]
    connection = psycopg2.connect(url, options="-c search_path=tashika")
    cursor = connection.cursor()
    kek = bytes.fromhex((config.path.parent / "kek").read_text().strip())
    cursor.execute("SELECT key_id, wrapped FROM platform_key WHERE purpose = 'serial-mac'")
    key_id, wrapped = cursor.fetchone()
    key = opened(kek, f"platform_key.serial-mac.{key_id}", bytes(wrapped))
    issuer = hashlib.sha256(key_bits).digest()
    for institution in institutions:
        cursor.execute("INSERT INTO service VALUES (%s, 'svc_bench', 'active', '2026-01-01')", (institution,))
    at, step = "2026-01-01T00:00:00Z", 100_000
    cursor.execute("SET session_replication_role = replica")  # no checks of foreign keys
    for first in range(1, count + 1, step):
        subjects, certificates, consents = [], [], []
        for serial in range(first, min(first + step, count + 1)):
            institution = institutions[serial % INSTITUTIONS]
            subject, certificate, consent = (id_of(prefix, serial) for prefix in ("sub_", "crt_", "cns_"))
            mac = hmac.digest(key, issuer + der_content(serial), "sha256")[:16].hex()
            evidence = hashlib.sha256(consent.encode()).hexdigest()
            subjects.append(f"{institution}\t{subject}\tunchanged\t{at}\t{certificate}\t{certificate}\t{at}\n")
            certificates.append(f"{institution}\t{certificate}\t{subject}\t\\\\x{issuer.hex()}\t\\\\x{mac}\t\\\\x00\tgood\t{at}"
                                f"\t1\t{at}\n")
            consents.append(f"{institution}\t{consent}\t{subject}\tsvc_bench\tactive\t{{attr:address}}\tbench\t1\tja"
                            f"\t\\\\x{evidence}\town_app\traw\t\\\\x{evidence}\t\\\\x{evidence}\t{certificate}\t{at}\t{at}\t{at}\n")
        copy(cursor, "subject", "institution_id, subject_id, state, state_at, known_certificate, watched_certificate, "
             "created_at", subjects)
        copy(cursor, "certificate", "institution_id, certificate_id, subject_id, issuer_key_hash, serial_mac, serial_sealed, "
             "status, status_at, checked_generation, registered_at", certificates)
        copy(cursor, "consent", "institution_id, consent_id, subject_id, service_id, status, scopes, purpose, notice_version, "
             "notice_language, notice_sha256, channel, evidence_format, evidence_sha256, nonce_sha256, signed_with, "
             "consented_at, received_at, created_at", consents)
        connection.commit()
    connection.autocommit = True
    cursor.execute("VACUUM ANALYZE")
    return connection


class Config:
    def __init__(self, bench, directory, authority, url):
        self.tashika, self.path = [bench.programs.tashika], directory / "tashika.toml"
        self.path.write_text(f'[index]\ndirectory = "index"\n[[issuers]]\nname = "{ISSUER}"\n'
                             f'certificate = {json.dumps(str(authority.certificate_path))}\ncrl = ["list.crl"]\n'
                             f'[database]\nurl = "{url}"\nkey_encryption_key = "kek"\n')
        run([*self.tashika, "migrate", "--config", self.path])


def ingest(config):
    """(seconds, peak of private memory)"""
    start, peak = time.monotonic(), 0
    with subprocess.Popen([*map(str, config.tashika), "ingest", "--config", str(config.path)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                peak = max(peak, anonymous_bytes(process.pid))
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.05)
    if process.wait() != 0:
        raise RuntimeError("the ingest failed")
    return time.monotonic() - start, peak


def rows(bench):
    sys.path.insert(0, str(ROOT / "tests/integration"))
    from support import crl
    from support.crl import Entry
    from support.pki import NOW, Authority
    watched, revoked = bench.sizes.watched, bench.sizes.revoked
    directory = bench.directory / "detection"
    directory.mkdir()
    authority = Authority(directory, ISSUER)

    def publish(number, serials):
        made = crl.make(authority, [Entry(serial, 3) for serial in serials], number, NOW + timedelta(seconds=number))
        (directory / "list.crl").write_bytes(made)

    with database() as url:
        config = Config(bench, directory, authority, url)
        others = range(1 << 40, (1 << 40) + 1000)
        publish(1, others)
        ingest(config)
        say(f"detection: registering {watched:,} certificates")
        connection = watch(url, config, authority.public_key_bits(), watched)
        cursor = connection.cursor()
        spread = range(1, watched + 1, max(1, watched // revoked))
        publish(2, [*others, *spread])
        say(f"detection: {len(spread):,} of them are revoked")
        seconds, peak = ingest(config)
        cursor.execute("SELECT count(*) FROM outbox")
        [events] = cursor.fetchone()
        assert events == 2 * len(spread), events
        cursor.execute("SELECT extract(epoch FROM ended_at - started_at)::int FROM detection ORDER BY to_generation DESC LIMIT 1")
        [detecting] = cursor.fetchone()
        publish(3, [*others, *spread, *range(1 << 41, (1 << 41) + len(spread))])
        unwatched, _ = ingest(config)
        connection.close()
    what = f"{len(spread):,} revocations among {watched / 1e6:g} M watched"
    yield at_most(f"detection: {what}, list to outbox", f"<= {SECONDS_MAX} s", f"{seconds:.1f} s; detection {detecting} s",
                  seconds / SECONDS_MAX, 1)
    yield at_most("detection: private memory", "<= 512 MB", f"{peak / 1e6:.0f} MB", peak / (512 << 20), 1)
    yield at_most(f"detection: {len(spread):,} revocations of nobody who is watched", f"<= {SECONDS_MAX // 2} s",
                  f"{unwatched:.1f} s", unwatched / (SECONDS_MAX / 2), 1)
