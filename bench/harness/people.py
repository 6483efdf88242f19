"""Institutions and their consenting customers, written straight into the tables: millions in minutes. The keys of the
platform are opened, so that what is sealed is sealed, and the server finds all as if it had been registered."""
import hashlib
import hmac
import os

from .database import ask, copy, id_of

AT, END = "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
SERVICE = "svc_bench"
STEP = 50_000  # rows of one COPY


class Keys:
    """What the key-encryption key opens."""

    def __init__(self, file, connection):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        self._aes, self._connection = AESGCM, connection
        octets = bytes.fromhex(file.read_text().strip())
        self.name, self._kek = hashlib.sha256(octets).hexdigest()[:16], AESGCM(octets)
        [(key_id, wrapped)] = ask(connection, "SELECT key_id, wrapped FROM platform_key WHERE purpose = 'serial-mac'")
        self._mac = self._kek.decrypt(bytes(wrapped[:12]), bytes(wrapped[12:]), f"platform_key.serial-mac.{key_id}".encode())
        self._data = {}

    @staticmethod
    def _seal(key, place, plain):
        nonce = os.urandom(12)
        return nonce + key.encrypt(nonce, plain, place.encode())

    def new_data_key(self, institution):
        """Wrapped."""
        octets = os.urandom(32)
        self._data[institution] = self._aes(octets)
        return self._seal(self._kek, f"data_key.{institution}.1", octets)

    def sealed_serial(self, institution, certificate, serial):
        place = f"{institution}.certificate.serial_sealed.{certificate}.1"
        return (1).to_bytes(4, "big") + self._seal(self._data[institution], place, serial)

    def serial_mac(self, issuer, serial):
        return hmac.digest(self._mac, issuer + serial, "sha256")[:16]


def add_institutions(connection, keys, count, first=1):
    """Their ids. `first`: the number of the first, if there are others."""
    ids = [id_of("inst_", number) for number in range(first, first + count)]
    copy(connection, "institution", "institution_id, name, status, created_at",
         [(one, f"bank-{number}", "active", AT) for number, one in enumerate(ids, first)])
    copy(connection, "feed", "institution_id, retained_from", [(one, AT) for one in ids])
    copy(connection, "audit_head", "institution_id, last_seq, previous_hash, last_hash",
         [(one, 0, bytes(32), bytes(32)) for one in ids])
    copy(connection, "service", "institution_id, service_id, status, created_at", [(one, SERVICE, "active", AT) for one in ids])
    copy(connection, "data_key", "institution_id, key_version, kek, wrapped, created_at",
         [(one, 1, keys.name, keys.new_data_key(one), AT) for one in ids])
    return ids


def add_client_certificates(connection, certificates):
    """`certificates`: pairs of an institution and the DER of its client certificate, for all roles."""
    copy(connection, "client_certificate", "institution_id, thumbprint, subject, not_after, roles, status, added_at",
         [(institution, hashlib.sha256(der).digest(), "bench", END, ["poller", "query", "consent-admin"], "active", AT)
          for institution, der in certificates])


def add_people(connection, keys, institutions, issuer, count, state="unchanged"):
    """`count` certificates of an issuer (SHA-256 of its key), with the serials 1 to `count`, dealt to the institutions in
    turns; each with a subject in that state and an active consent for name and address. If the state is `available`, the
    certificate has been revoked. Returns the consents of each institution."""
    status = "revoked" if state == "available" else "good"
    consents_of = {institution: [] for institution in institutions}
    for first in range(1, count + 1, STEP):
        subjects, certificates, consents = [], [], []
        for number in range(first, min(first + STEP, count + 1)):
            institution = institutions[number % len(institutions)]
            subject, certificate, consent = (id_of(prefix, number) for prefix in ("sub_", "crt_", "cns_"))
            serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
            digest = hashlib.sha256(consent.encode()).digest()
            subjects.append((institution, subject, state, AT, certificate, certificate, AT))
            certificates.append((institution, certificate, subject, issuer, keys.serial_mac(issuer, serial),
                                 keys.sealed_serial(institution, certificate, serial), status, AT, 1, AT))
            consents.append((institution, consent, subject, SERVICE, "active", ["attr:name", "attr:address"], "bench", "1", "ja",
                             digest, "own_app", "raw", digest, digest, certificate, certificate, f"consent-{number:09}",
                             AT, AT, AT, AT, END, AT))
            consents_of[institution].append(consent)
        copy(connection, "subject", "institution_id, subject_id, state, state_at, known_certificate, watched_certificate, "
             "created_at", subjects)
        copy(connection, "certificate", "institution_id, certificate_id, subject_id, issuer_key_hash, serial_mac, "
             "serial_sealed, status, status_at, checked_generation, registered_at", certificates)
        copy(connection, "consent", "institution_id, consent_id, subject_id, service_id, status, scopes, purpose, "
             "notice_version, notice_language, notice_sha256, channel, evidence_format, evidence_sha256, nonce_sha256, "
             "signed_with, known_certificate, authority_consent, consented_at, received_at, reflected_at, valid_from, "
             "valid_until, created_at", consents)
    ask(connection, "VACUUM ANALYZE")
    return consents_of


def add_changes(connection, institutions, count):
    """`count` items in each feed, as the fan-out makes them."""
    ask(connection, """
        INSERT INTO change_feed (institution_id, pos, published_at, item)
        SELECT i, n, now(), concat('{"id":"', e, '","pos":', n, ',"type":"certificate.revoked","occurred_at":'
               '"2026-11-22T03:00:00Z","consent_id":"cns_', h, '","sub":"sub_', h, '","subject_version":2,'
               '"state":"awaiting_certificate","reason":"affiliation_changed"}')
          FROM unnest(%s) i, generate_series(1, %s) n, substr(translate(md5(i || n), '0189', 'wxyz'), 1, 26) h,
               concat('chg_', h) e""", institutions, count)
    ask(connection, "UPDATE feed SET last_pos = %s WHERE institution_id = ANY (%s)", count, institutions)
    ask(connection, "VACUUM ANALYZE")
