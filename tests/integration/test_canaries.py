"""Checks 21 and 22: a whole story of somebody who can be recognised, and then nobody has written it down: no log of ours or of
PostgreSQL's at its most talkative, no metric, no error, no cell of a table."""
import base64
import json
import subprocess
import threading
import time
import urllib.parse
import uuid
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.consenting import Town
from support.database import Cluster, connect, rows
from support.program import said, tashika, wait_for_status, wait_until

TALKATIVE = ("log_statement = all", "log_parameter_max_length = -1", "log_parameter_max_length_on_error = -1",
             "log_min_duration_statement = 0", "log_error_verbosity = verbose", "log_min_messages = debug1")
PERSON = 11  # has a serial number of twenty octets
NAME, ADDRESS, NEW_ADDRESS = "加名鳥　歌子", "東京都千代田区加名鳥町９９９番地", "京都府宇治市旧加名鳥８８８番地"
REFERENCE = "CANARY-customer-0417"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    cluster = Cluster(*TALKATIVE)
    town = Town(tmp_path_factory.mktemp("canaries"), cluster, people=16, consent={"match": True})
    try:
        yield Story(town, cluster)
    finally:
        town.stop()
        cluster.remove()


class Story:
    """Everything that can happen to one person. `secrets`: what must be nowhere; `errors`: what was answered when something
    went wrong; `printed`: what commands said; `active`: what pg_stat_activity showed meanwhile."""

    def __init__(self, town, cluster):
        self.town, self.cluster = town, cluster
        self.secrets = {"name": NAME, "surname": NAME.split("　")[0], "address": ADDRESS, "new address": NEW_ADDRESS,
                        "reference": REFERENCE}
        self.errors, self.printed, self.active, self.public = [], [], set(), []
        ending = threading.Event()
        watcher = threading.Thread(target=self.watch_activity, args=(ending,))
        watcher.start()
        try:
            with town.a.client() as client, town.b.client() as other:
                self.tell(client, other)
        finally:
            ending.set()
            watcher.join()
        self.metrics = town.server.ops("/metrics")[1] + town.server.ops("/readyz")[1]
        for command in (("audit", "verify", "--json"), ("institution", "list", "--json"), ("keys", "list"), ("keys", "rotate")):
            self.printed.append(said(tashika(*command, "--config", town.platform.config)))
        self.dump = subprocess.run([next(Path("/usr/lib/postgresql").glob("*/bin/pg_dump")), "--dbname", town.platform.url],
                                   capture_output=True, text=True, check=True).stdout

    def watch_activity(self, ending):
        with connect(self.town.platform.url) as database:
            while not ending.is_set():
                self.active |= set(rows(database, "SELECT application_name, query FROM pg_stat_activity "
                                                  "WHERE pid <> pg_backend_pid()"))
                time.sleep(0.003)

    def wrong(self, answer):
        assert answer.status >= 400, answer.body
        self.errors.append(answer.body.decode() + json.dumps(answer.headers))
        return answer

    def ingest(self):
        self.town.country.advance(seconds=1)
        self.printed.append(said(tashika("ingest", "--config", self.town.platform.config)))

    def person(self):
        return self.town.country.ask("GET", f"people/{PERSON}")

    def tell(self, client, other):
        town = self.town
        town.event(PERSON, "marriage", name=NAME)
        town.event(PERSON, "move", address=ADDRESS)
        town.event(PERSON, "reissue")
        self.ingest()
        wait_until(lambda: datetime.now(timezone.utc) > town.country.now, 30, "the new certificate's begin")
        items = self.person()["items"]
        assert (items["name"], items["address"]) == (NAME, ADDRESS)
        born = items["birthdate"][1:]
        self.secrets |= {"birthdate": born, "birthdate in parts": f"{born[:4]}-{born[4:6]}-{born[6:]}"}
        self.register(client, other)
        self.misuse(client)
        self.change(client)
        self.withdraw(client)
        self.secrets |= {f"serial {one['serial'][-4:]}": one["serial"] for one in self.person()["certificates"]
                         if len(one["serial"]) > 16}

    def register(self, client, other):
        town, document = self.town, {"customer_hint": REFERENCE}
        good = town.registration(town.a, PERSON, customer_ref=REFERENCE)
        evidence = good["evidence"]
        self.secrets |= {"signature": evidence["signature"][:60], "certificate": evidence["certificate"][400:460]}
        for change in ({"service_id": NAME}, {"scopes": [NAME]}, {"nickname": NAME}, {"customer_ref": REFERENCE * 40},
                       {"evidence": {**evidence, "signature": evidence["certificate"]}},
                       {"evidence": {**evidence, "document": base64.b64encode(f'{{"name":"{NAME}'.encode()).decode()}}):
            self.wrong(town.register(client, good | change))
        self.wrong(town.register(client, town.registration(town.a, PERSON, document=document)))
        self.wrong(town.register(other, good))
        # PostgreSQL says "Failing row contains (…)" of a row that can't be written, but not where there is row-level security.
        town.rows("ALTER TABLE consent ADD CONSTRAINT canary CHECK (customer_ref_sealed IS NULL) NOT VALID")
        assert self.wrong(town.register(client, good)).status == 500
        town.rows("ALTER TABLE consent DROP CONSTRAINT canary")
        wait_for_status(200, lambda: client.get("/v1/changes"))
        answer = town.register(client, good)
        assert answer.status == 201, answer.body
        self.consent = answer.json
        self.secrets |= {"token": self.consent["token"], "token's signature": self.consent["token"].split(".")[2]}
        self.public += [self.consent["consent_id"], town.a.id]
        town.begin_term(self.consent["consent_id"])
        self.wrong(town.register(client, good))
        assert town.register(other, town.registration(town.b, PERSON, customer_ref=REFERENCE)).status == 201
        assert client.get(f"/v1/consents/{self.consent['consent_id']}").json["customer_ref"] == REFERENCE

    def misuse(self, client):
        town, token = self.town, self.consent["token"]
        self.wrong(client.get(f"/v1/changes?access_token={token}"))
        self.wrong(client.get(f"/v1/consents?status={urllib.parse.quote(NAME)}"))
        self.wrong(client.get(f"/v1/{urllib.parse.quote(NAME)}"))
        self.wrong(town.query(client, NAME.encode().hex()))
        self.wrong(town.query(client, token, (NAME,)))
        self.wrong(town.query(client, token, purpose=NAME))
        self.wrong(town.query(client, token[:-4] + "AAAA"))
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        self.wrong(client.call("POST", "/v1/attributes/query", f'{{"attributes":["{NAME}"'.encode(), headers))
        self.wrong(client.call("POST", "/v1/attributes/match", {"values": {"name": [NAME]}}, headers))

    def change(self, client):
        town, token = self.town, self.consent["token"]
        town.move(PERSON, address=NEW_ADDRESS)
        self.ingest()
        for fault in ({"kind": "status", "value": 503}, {"kind": "garbage", "value": 400}, {"kind": "truncate", "value": 300}):
            town.country.fail(path="/v1/four-information", **fault)
            self.wrong(town.query(client, token, ("name", "address", "birthdate")))
            town.country.heal()
        headers = {"Authorization": f"Bearer {token}"}
        values = {"values": {"name": NAME, "address": {"formatted": ADDRESS}}, "normalization": "jp-2026-1"}
        compared = wait_for_status(200, lambda: client.call(
            "POST", "/v1/attributes/match", values, headers | {"Idempotency-Key": str(uuid.uuid4())}))
        assert compared.json["results"]["name"] == "match"
        self.errors.append(compared.body.decode())
        answer = town.query(client, token, ("name", "address", "birthdate"), force=True)
        claims = answer.json["verified_claims"]["claims"]
        assert (claims["name"], claims["address"]["formatted"]) == (NAME, NEW_ADDRESS)
        self.public.append(answer.json["disclosure_id"])

    def withdraw(self, client):
        town, consent = self.town, self.consent["consent_id"]
        self.wrong(town.withdraw(client, consent, reason=NAME))
        assert town.withdraw(client, consent).status == 200
        self.wrong(town.query(client, self.consent["token"]))
        self.errors += [json.dumps(one) for one in town.events(consent)]


def written(secret):
    """The ways in which it may have been written: as it is, in JSON, in an address, and as octets in hexadecimal."""
    octets = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret), octets.hex(), base64.b64encode(octets).decode().rstrip("=")}
    if set(secret) <= set("0123456789ABCDEFabcdef"):
        forms.add(str(int(secret, 16)))
    return {form.lower() for form in forms}


def nowhere(story, text, *allowed):
    lowered = text.lower()
    return [what for what, secret in story.secrets.items() if what not in allowed and any(one in lowered for one in written(secret))]


def test_the_search_finds(story):
    assert {"name", "address", "new address", "birthdate", "token", "signature", "certificate"} < story.secrets.keys()
    assert any(what.startswith("serial") for what in story.secrets)
    for what, secret in story.secrets.items():
        for form in written(secret):
            assert what in nowhere(story, f"so: {form.upper()}.")


def test_not_in_our_log_nor_in_what_commands_say(story):
    log = story.town.server.log.read_text()
    assert "request_refused" in log and "request_failed" in log
    assert nowhere(story, log) == []
    assert any("published generation" in one for one in story.printed)
    assert nowhere(story, "".join(story.printed)) == []


def test_not_in_errors_events_and_metrics(story):
    assert len(story.errors) > 20
    assert [found for one in story.errors if (found := nowhere(story, one))] == []
    assert "tashika_" in story.metrics and nowhere(story, story.metrics) == []


def test_not_in_the_database(story):
    assert all(one in story.dump for one in story.public)
    assert nowhere(story, story.dump) == []


def test_not_in_what_postgresql_writes_at_its_most_talkative(story):
    log = story.cluster.log()
    assert all(one in log for one in story.public), "parameters are logged"
    assert 'violates check constraint "canary"' in log and "parameters: $1 = " in log
    assert nowhere(story, log) == []


def test_not_in_what_postgresql_shows_of_running_statements(story):
    seen = "\n".join(query for application, query in story.active if application == "tashika")
    assert seen and nowhere(story, seen) == []


def test_not_beside_the_index(story):
    """What serve and ingest keep in files; but serials are what an index is made of."""
    files = [one for one in (story.town.platform.directory / "index").rglob("*") if one.is_file()]
    serials = [what for what in story.secrets if what.startswith("serial")]
    assert files
    for one in files:
        assert nowhere(story, one.read_bytes().decode(errors="replace"), *serials) == [], one
