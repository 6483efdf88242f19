"""People who consent: the stand-in authority, the platform between it and two banks, and what a bank's server does."""
import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime, timedelta, timezone

from .country import Country, format_time, parse_time
from .database import connect, rows
from .metrics import Metrics
from .platform import SERVICE, Platform
from .program import Server, wait_until

NOTICE = {"version": "2026-05", "language": "ja", "sha256": hashlib.sha256(b"the notice").hexdigest()}
SCOPES = ["attr:name", "attr:address", "attr:birthdate"]
PURPOSE = "https://bank.example/purposes/ongoing-diligence"


class Served:
    """An issuer of the stand-in's, as a table of the configuration."""

    def __init__(self, authority, options):
        self.authority, self.options = authority, options

    def toml(self):
        from .program import toml_lines
        base = self.authority["urls"]["http"]
        table = {"name": self.authority["name"], "certificate": self.authority["certificate"],
                 "crl": [base + "full.crl"], **self.options}
        return "[[issuers]]\n" + toml_lines(table)


class Town:
    """Everything, running. Times are real ones: the stand-in's clock, which stands still by itself, is set before
    whatever asks for the time. It makes lists each second."""

    def __init__(self, directory, cluster, people=12, **sections):
        start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=2)
        directory.mkdir(parents=True, exist_ok=True)
        self.country = Country(directory, start, seed=1, people=people, municipalities=3, complete_every=1)
        ports = json.loads((self.country.directory / "ports.json").read_text())
        home = self.country.directory
        issuers = [Served(one, {}) for one in self.country.authorities() if one["name"].startswith("card-signing")]
        authority = {"url": f"https://{ports['upstream']}", "certificate": str(home / "operator.pem"),
                     "key": str(home / "operator.key"), "ca": str(home / "tls-ca.pem"), "withdrawal_poll": "200ms",
                     "breaker_pause": "100ms", **sections.pop("authority", {})}
        self.platform = Platform(directory / "platform", cluster, issuers, authority=authority, **sections)
        self.a, self.b = self.platform.a, self.platform.b
        self.ingest()
        self.database = connect(self.platform.url)
        self.server = self.platform.serve()
        self.clients = {bank.name: bank.client() for bank in (self.a, self.b)}
        self.last_person = 12  # those before are awkward, and for who wants them

    def synchronise(self):
        """The stand-in takes nothing from its future, and so is kept a few seconds ahead."""
        now = datetime.now(timezone.utc).replace(microsecond=0)
        if now + timedelta(seconds=2) > self.country.now:
            self.country.advance(to=format_time(now + timedelta(seconds=10)))

    def somebody(self):
        """The number of somebody new who can sign."""
        while True:
            self.last_person += 1
            seats = self.country.ask("GET", f"people/{self.last_person}")["current"]
            if seats.get("card signing", {}).get("condition") == "good":
                return self.last_person

    def ingest(self):
        self.platform.tashika("ingest")

    def new_lists(self):
        """Some time passes at the authority, and its lists are taken in."""
        self.country.advance(seconds=1)
        self.ingest()

    def restart(self):
        self.server = self.platform.serve()
        for client in self.clients.values():
            client.connection.close()

    def metrics(self):
        return Metrics(self.server.ops("/metrics")[1])

    def rows(self, statement, *arguments):
        return rows(self.database, statement, *arguments)

    def event(self, person, kind, **options):
        done = self.country.ask("POST", "event", {"person": person, "kind": kind, **options})
        self.country.now = parse_time(self.country.ask("GET", "now")["now"])
        return done

    def move(self, person, **options):
        """Moves; the new certificate is there at once."""
        done = self.event(person, "move", **options)
        self.event(person, "reissue")
        return done

    def billing(self):
        return self.country.ask("GET", "billing")

    def withdraw_at_authority(self, person):
        return self.event(person, "withdraw_consent")

    def stop(self):
        for client in self.clients.values():
            client.connection.close()
        self.server.stop()
        self.country.stop()
        self.database.close()

    # --- what a bank does ---

    def document(self, bank, **changes):
        document = {"institution": bank.id, "service": SERVICE, "scopes": SCOPES, "purpose": PURPOSE, "notice": NOTICE,
                    "consented_at": format_time(datetime.now(timezone.utc)), "nonce": secrets.token_hex(16)}
        document |= changes
        return {name: value for name, value in document.items() if value is not None}

    def sign(self, person, document, form="raw", **options):
        octets = document if isinstance(document, bytes) else json.dumps(document).encode()
        encoded = base64.b64encode(octets).decode()
        self.synchronise()
        signed = self.country.ask("POST", "sign", {"person": person, "document": encoded, "format": form, **options})
        members = ("certificate", "signature") if form == "raw" else ("cms",)
        return {"format": form, "document": encoded, **{name: signed[name] for name in members}}

    def registration(self, bank, person, form="raw", document=None, evidence=None, **changes):
        """The body of POST /consents. `document` changes what is signed, `changes` what is requested."""
        signed = self.document(bank, **(document or {}))
        body = {"service_id": SERVICE, "scopes": signed["scopes"], "purpose": PURPOSE, "notice": NOTICE,
                "channel": "own_app", "consented_at": signed["consented_at"],
                "evidence": evidence or self.sign(person, signed, form)}
        return body | changes

    def register(self, client, body, key=None):
        return client.call("POST", "/v1/consents", body, {"Idempotency-Key": key or str(uuid.uuid4())})

    def consent(self, person, bank=None, **changes):
        """An active consent whose term has begun."""
        bank = bank or self.a
        answer = self.register(self.clients[bank.name], self.registration(bank, person, **changes))
        assert answer.status == 201, answer.body
        self.begin_term(answer.json["consent_id"])
        return answer.json

    def begin_term(self, consent_id):
        """Terms begin the day after, and nobody waits for that here."""
        self.rows("UPDATE consent SET valid_from = valid_from - interval '2 days' WHERE consent_id = %s", consent_id)

    def query(self, client, token, attributes=("name", "address"), key=None, **members):
        body = {"attributes": list(attributes), "purpose": "liveness_check", **members}
        return client.call("POST", "/v1/attributes/query", body,
                           {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid.uuid4())})

    def withdraw(self, client, consent_id, reason="withdrawn_by_subject_at_institution", **headers):
        return client.call("POST", f"/v1/consents/{consent_id}/withdrawal", {"reason": reason}, headers)

    def status_of(self, consent_id):
        return self.rows("SELECT status FROM consent WHERE consent_id = %s", consent_id)[0][0]

    def events(self, consent_id):
        """What the feed says of a consent, once all is published."""
        wait_until(lambda: not self.rows("SELECT 1 FROM outbox"), 10, "the fan-out")
        return [json.loads(item) for item, in self.rows(
            "SELECT item FROM change_feed WHERE item::jsonb->>'consent_id' = %s ORDER BY pos", consent_id)]


def lapse(town, person, kind="move", **options):
    """The person's certificate is on the lists, and a newer one is there; the platform knows the first."""
    town.event(person, kind, **options)
    town.event(person, "reissue")
    town.new_lists()


def lapsed(town, consent, *states):
    """Waits until it was detected; and, to be sure of the state, until that is one of these."""
    states = states or ("awaiting_certificate", "available")
    state = "SELECT state FROM subject JOIN consent USING (institution_id, subject_id) WHERE consent_id = %s"
    wait_until(lambda: town.rows(state, consent["consent_id"])[0][0] in states, 15,
               "the change to be detected")


__all__ = ["NOTICE", "PURPOSE", "SCOPES", "SERVICE", "Metrics", "Server", "Town", "connect", "lapse", "lapsed"]
