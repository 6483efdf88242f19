"""A year of the whole platform in the stand-in's country: institutions, consents, and the lives of those who gave them.

People move, marry, lose cards and phones, renew and die by themselves. Each day the lists come in, sometimes after a
failed attempt; the server is killed now and then; institutions follow their feeds, ask for what is new, gain customers and
lose them. In the end every feed, every disclosure and every yen is held against the authority's own books.
"""
import os
import random
import re
import time
from collections import Counter
from urllib.error import HTTPError
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from support import der
from support.books import Books
from support.country import FAKETIME, format_time, is_sanitized, parse_time
from support.database import connect
from support.institution import ATTRIBUTES, granted
from support.judge import Judge
from support.land import Land
from support.program import PROGRAM, said, tashika

LONG = os.environ.get("TASHIKA_LONG") == "1"
DAYS = int(os.environ.get("TASHIKA_YEAR_DAYS", 365 if LONG else 8))
CONSENTS = int(os.environ.get("TASHIKA_YEAR_CONSENTS", 20_000 if LONG else 150))
MINUTES = float(os.environ.get("TASHIKA_YEAR_MINUTES", "inf"))  # after which the year ends, whatever day it is
INSTITUTIONS = int(os.environ.get("TASHIKA_YEAR_INSTITUTIONS", 50 if LONG else 4))
PEOPLE = max(60, CONSENTS // 12)
PACE = 2.5
BY_HAND = 1 if LONG else 6  # things that happen to customers a day, besides what life brings
GIVE_UP, LAST_CHECK = (timedelta(days=90), timedelta(days=3)) if LONG else (timedelta(days=3), timedelta(days=1))
SERVICES = ["svc_retail-accounts", "svc_loans"]
FAULTS = [{"kind": "status", "value": 503}, {"kind": "truncate", "value": 100}, {"kind": "wrong_signature"}, {"kind": "reset"}]
HAPPENINGS = ["move", "marriage", "card_lost", "card_replaced", "phone_lost", "phone_found", "phone_given_up", "phone_enrolled",
              "renewal", "death", "card_returned", "key_compromise", "moved_abroad", "birthdate_correction"]
UPSTREAM = [{"kind": "status", "value": 503}, {"kind": "truncate", "value": 20}, {"kind": "reset"}, {"kind": "garbage"}]
REFUSED = {"token-invalid", "consent-withdrawn", "consent-superseded"}

pytestmark = [
    pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed"),
    pytest.mark.skipif(is_sanitized(PROGRAM), reason="a sanitizer and libfaketime both want to be loaded first"),
]


class Year:
    def __init__(self, land, seed):
        self.land, self.dice = land, random.Random(seed)
        self.done, self.spent = Counter(), Counter()
        self.registered = 0

    def chance(self, often):
        """`often`: how many times a year; the short form has all of it in its few days."""
        return self.dice.random() < max(often / 365, 0.3 if not LONG else 0)

    # --- a day ---

    def live_a_day(self, number, midnight):
        """In the first hour of the day, when all lists are fresh; and sometimes once more, when there are new deltas."""
        moments = [self.dice.randrange(300, 1500)] + [self.dice.randrange(4, 13) * 3600] * self.chance(40)
        for moment in moments:
            self.land.advance(to=format_time(midnight + timedelta(seconds=moment)))
            self.day = number
            for step in (self.happen, self.take_in_lists, self.poll_and_ask, self.ask_for_nothing, self.change_consents,
                         self.poll_and_ask):
                began = time.monotonic()
                step()
                self.spent[step.__name__] += time.monotonic() - began

    def happen(self):
        """Something, to a few customers; what life brings to the others comes by itself."""
        for _ in range(BY_HAND):
            customers = sorted({person for one in self.land.institutions for person in one.people.values()})
            kind = self.dice.choice(HAPPENINGS)
            wait = {"reissue_after_seconds": self.dice.choice([3600, 86400, 30 * 86400])} if kind in ("move", "marriage") else {}
            try:
                self.land.event(self.dice.choice(customers), kind, **wait)
                self.done[kind] += 1
            except (IndexError, HTTPError):  # nobody there yet; or it can't happen to this one: the dead don't move
                pass

    def take_in_lists(self):
        if self.chance(60):
            name = self.dice.choice(list(self.land.issuers))
            self.land.country.fail(path=f"/crl/{name}/", count=50, **self.dice.choice(FAULTS))
            self.done["ingests refused"] += name not in self.land.ingest()
            self.land.country.heal()
            self.land.note_lists()
            self.land.advance(seconds=300)
        if self.chance(30):
            self.land.country.fail(path="/v1/newer-certificate", count=3, **self.dice.choice(UPSTREAM))
        assert len(self.land.ingest()) == len(self.land.issuers)
        if self.chance(25):
            time.sleep(self.dice.random() * 1.2)
            self.land.kill()
            self.done["kills"] += 1
        self.land.note_lists()
        self.land.country.heal()

    def poll_and_ask(self):
        land = self.land
        land.settle()
        if self.chance(30):
            land.country.fail(path="/v1/four-information", count=5, **self.dice.choice(UPSTREAM))
        kill = self.chance(15)
        work = [land.hands.submit(self.follow, one) for one in land.institutions]
        if kill:
            time.sleep(self.dice.random() * 0.3)
            land.kill()
            self.done["kills"] += 1
        [one.result() for one in work]
        land.country.heal()
        for _ in range(20):
            if not any(one.fetch for one in land.institutions):
                break
            land.advance(seconds=21)  # so long a question is left alone whose asker has died
            time.sleep(0.15)  # the breaker's pause
            land.everyone(lambda one: one.fetch_news())
        assert not any(one.fetch for one in land.institutions), [one.diary[-1] for one in land.institutions if one.fetch]
        land.settle()
        land.everyone(lambda one: one.poll())

    def follow(self, institution):
        institution.poll()
        institution.fetch_news()

    def ask_for_nothing(self):
        """Questions without a reason, which cost nothing; and what must not be answered."""
        for institution in self.dice.sample(self.land.institutions, min(5, len(self.land.institutions))):
            for consent in self.dice.sample(institution.active(), min(2, len(institution.active()))):
                answer = institution.query(consent["consent_id"], self.dice.sample(ATTRIBUTES, 2))
                assert answer.status == 200 or answer.json["code"] == "scope-not-granted", answer.body
                self.done[answer.json.get("outcome") or answer.json["code"]] += 1

    # --- consents ---

    def change_consents(self):
        land = self.land
        first = CONSENTS * 3 // 10
        self.register(first + (CONSENTS - first) * self.day // (DAYS - 1) - self.registered)
        self.register_what_was_revoked()
        land.settle()
        land.everyone(lambda one: one.poll())  # some of the new ones took the place of others
        active = [(institution, consent) for institution in land.institutions for consent in institution.active()]
        leaving = self.dice.sample(active, min(len(active), max(2, CONSENTS // 4000)))
        for institution, consent in leaving[::2]:
            institution.withdraw(consent["consent_id"])
        land.settle()
        self.done["withdrawn in own app"] += land.withdraw_in_own_app(leaving[1::2])
        for institution, consent in leaving:
            if institution.consents[consent["consent_id"]]["status"] == "active":
                continue
            answer = institution.query(consent["consent_id"], ATTRIBUTES)
            assert answer.status in (401, 403) and answer.json["code"] in REFUSED, answer.body
            self.done["withdrawn"] += 1

    def register(self, count):
        able = [(one["id"], seat) for one in self.land.country.ask("GET", "people") for seat in ("card signing", "phone signing")
                if one["current"].get(seat, {}).get("condition") == "good"
                and parse_time(one["current"][seat]["not_after"]) > self.land.now]
        plans = {}
        for _ in range(count):
            institution = self.dice.choice(self.land.institutions)
            person, seat = self.dice.choice(able)
            scopes = self.dice.sample([f"attr:{name}" for name in ATTRIBUTES], self.dice.randrange(1, 5))
            plans.setdefault(institution, []).append((person, self.dice.choice(SERVICES), scopes, seat,
                                                      self.dice.choice(["raw", "cms"])))

        def work(institution):
            for person, service, scopes, seat, form in plans.get(institution, []):
                answer = institution.register(person, service, scopes, seat, form)
                assert answer.status == 201, answer.body

        self.land.everyone(work)
        self.registered += count

    def register_what_was_revoked(self):
        """With a card that ended since the last list, or before: the authority knows the first, the list the second."""
        gone = [one["id"] for one in self.land.country.ask("GET", "people")
                if one["current"].get("card signing", {}).get("condition") == "revoked"]
        for person in self.dice.sample(gone, min(2, len(gone))):
            answer = self.dice.choice(self.land.institutions).register(person, SERVICES[0], ["attr:name"],
                                                                          even_if_revoked=True)
            assert answer.status in (403, 422), answer.body
            self.done[answer.json["code"]] += 1


# --- in the end ---

def claims_of(country, certificate, claim):
    """The four items as that certificate has them, in the API's words."""
    pem = country.ask_octets("GET", f"certificates/{certificate.authority}/{certificate.serial}")
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    text = {one.type_id.dotted_string.removeprefix("1.2.392.200149.8.5.5."): der.read(one.value)[1].decode()
            for one in names if isinstance(one, x509.OtherName)}
    born = text["4"][1:]
    return {"name": {"name": text["1"], claim + "name_substitutions": text["2"]},
            "gender": {"gender": {"1": "male", "2": "female"}.get(text["3"], "unknown")},
            "birthdate": {"birthdate": f"{born[:4]}-{born[4:6]}-{born[6:]}", "raw": text["4"]},
            "address": {"address": {"formatted": text["5"]}, claim + "address_substitutions": text["6"]}}


def check_claims(found, items, given, claim):
    want = {}
    for item in given:
        want |= items[item]
    raw, parts = want.pop("raw", None), found.get(claim + "birthdate_parts", {})
    if want.get("birthdate") != found.get("birthdate"):  # incomplete, and so given as it is, or the year alone
        assert "00" in raw[1:] and (parts.get("raw") == raw or found["birthdate"] == raw[1:5]), (found, raw)
        want = {name: value for name, value in want.items() if name != "birthdate"}
        found = {name: value for name, value in found.items() if name not in ("birthdate", claim + "birthdate_parts")}
    assert found == want, (found, want)


def check_disclosures(land, institution, judge, claim, items):
    """Each within its consent, with what the authority's certificates say, and none that the institution did not get."""
    completed = {}
    for one in institution.pages("/v1/disclosures"):
        record = judge.records[one["consent_id"]]
        assert parse_time(one["started_at"]) >= record["from"], one
        assert record["until"] is None or parse_time(one["ended_at"]) <= record["until"], one
        assert set(one["attributes"]) <= set(granted(record["consent"])), one
        assert one["yen"] == (20 if (one["state"], one["outcome"]) == ("completed", "provided") else 0), one
        if one["outcome"] == "provided":
            completed[one["disclosure_id"]] = one
    given = {one[0]: one for record in judge.records.values() for one in record["given"]}
    assert given.keys() == completed.keys()
    for name, certificate, attributes, claims in given.values():
        assert attributes == set(completed[name]["attributes"])
        if certificate not in items:
            items[certificate] = claims_of(land.country, certificate, claim)
        check_claims(claims, items[certificate], attributes, claim)
    yen = 20 * len(given)
    billed = land.country.ask("GET", "billing")["by_institution"].get(institution.id, {"yen": 0})
    until = land.now.date() + timedelta(days=1)
    usage = institution.ask("GET", f"/v1/usage?from={until - timedelta(days=399)}&to={until}").json["items"]
    assert billed["yen"] == yen == sum(one["yen"] for one in usage)
    return len(given)


def check_nobody_wrote_it_down(land, cluster, directory):
    """Names, addresses and serial numbers are nowhere: not in the logs, not in the database."""
    people = [land.country.ask("GET", f"people/{one['id']}") for one in land.country.ask("GET", "people")]
    words = {part for one in people for part in (one["items"]["address"], *one["items"]["name"].split("\u3000")) if len(part) > 1}
    serials = {one["serial"].lstrip("0").lower() for person in people for one in person["certificates"]}
    dump = directory / "dump.sql"
    with connect(land.platform.url) as database, dump.open("w") as out, database.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'tashika'")
        for name, in cursor.fetchall():
            cursor.copy_expert(f"COPY {name} TO STDOUT", out)
    for place in [dump, *land.platform.directory.glob("*.log"), cluster.directory / "data/log"]:
        text = place.read_text(errors="replace")
        assert place != dump or len(text) > 100_000
        strange = "".join(set(re.findall(r"[^\x00-\x7f]+", text)))
        assert not [word for word in words if word in strange], f"{place}: {strange[:200]}"
        numbers = {one.lstrip("0").lower() for one in re.findall(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{7,40}(?![0-9A-Za-z])", text)}
        assert not numbers & serials, f"{place}: {numbers & serials}"


def check_audit(land):
    """It holds, and would not if anybody had changed a row."""
    assert str(land.rows("SELECT count(*) FROM audit")[0][0]) in land.platform.tashika("audit", "verify").replace(",", "")
    institution, seq = land.rows(
        "SELECT institution_id, seq FROM audit WHERE verb = 'disclosure.completed' ORDER BY random() LIMIT 1")[0]
    change = "UPDATE audit SET detail = replace(detail, %s, %s) WHERE institution_id = %s AND seq = %s"
    land.rows(change, "query", "Query", institution, seq)
    result = tashika("audit", "verify", "--config", land.platform.config)
    assert result.returncode == 1 and institution in said(result) and str(seq) in said(result), said(result)
    land.rows(change, "Query", "query", institution, seq)
    land.platform.tashika("audit", "verify")


def test_a_year_of_the_platform(tmp_path, cluster):
    start = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    consent = {"give_up": f"{GIVE_UP // timedelta(hours=1)}h", "last_check": f"{LAST_CHECK // timedelta(hours=1)}h"}
    land = Land(tmp_path, cluster, start, INSTITUTIONS, SERVICES, consent, seed=11, people=PEOPLE, pace=PACE)
    try:
        land.advance(seconds=60)
        land.ingest()
        land.serve()
        land.note_lists()
        year, began = Year(land, seed=11), time.monotonic()
        for day in range(DAYS):
            if time.monotonic() - began > MINUTES * 60:
                print(f"the year is cut short after {day} days")
                break
            year.live_a_day(day, start + timedelta(days=day))
            if LONG:
                print(f"day {day + 1}, {time.monotonic() - began:.0f} s: {year.registered} consents, {dict(year.done)}, "
                      f"{({step: round(spent) for step, spent in year.spent.items()})}", flush=True)
        books, items, counts, faults = Books(land.country), {}, Counter(), []
        claim = f"{land.platform.base_url}/claims/"
        may_be_stale = {one.name for one in land.issuers.values() if "delta" in one.form}
        for institution in land.institutions:
            judge = Judge(books, institution.diary, GIVE_UP, LAST_CHECK + timedelta(days=2), may_be_stale)
            try:
                judge.follow()
                counts["disclosures provided"] += check_disclosures(land, institution, judge, claim, items)
            except AssertionError as fault:
                faults.append(f"{institution.name}: {fault}"[:2000])
            counts += judge.items
        assert not faults, "\n".join([f"{len(faults)} of {INSTITUTIONS} institutions", *faults])
        check_audit(land)
        check_nobody_wrote_it_down(land, cluster, tmp_path)
        print(f"{dict(counts)}\n{dict(year.done)}")
        for kind in ("certificate.revoked", "certificate.held", "subject.update_pending", "subject.update_available",
                     "subject.update_delivered", "consent.withdrawn", "disclosures provided"):
            assert counts[kind], f"no {kind} in a whole year"
        assert year.done["kills"] and year.done["ingests refused"] and year.done["withdrawn in own app"], year.done
    finally:
        land.stop()
