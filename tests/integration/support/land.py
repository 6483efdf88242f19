"""A country, the platform between its authority and many institutions, and their time: what test_platform_year.py lives in."""
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from .country import FORMS, QUARTER, Clock, Country, floor_time, parse_time
from .database import connect, rows
from .institution import Institution
from .platform import Platform
from .program import PROGRAM, Server, said, seconds, toml_lines, wait_until

DAY = timedelta(days=1)
HANDS = 4  # that do things at once


class Listed:
    """An issuer of the stand-in's, whose lists come in one of the forms."""

    def __init__(self, authority, form):
        self.name, self.form, self.certificate = authority["name"], form, authority["certificate"]
        self.base = authority["urls"]["http"]

    def toml(self):
        return "[[issuers]]\n" + toml_lines({"name": self.name, "certificate": self.certificate, "unlisted": "good",
                                             **{key: self.base + file for key, file in FORMS[self.form].items()}})

    def freshest(self, now):
        """When the newest of its lists was published."""
        return floor_time(now, QUARTER if "delta" in self.form else DAY)


class Land:
    """The stand-in's clock leads; the platform's follows, and stands still in between. No clock of PostgreSQL's counts."""

    def __init__(self, directory, cluster, start, institutions, services, consent, **country):
        self.country = Country(directory, start, municipalities=5, **country)
        self.clock = Clock(directory / "clock")
        signing = [one for one in self.country.authorities() if "signing" in one["name"]]
        forms = ["full", "full and delta", "partitions", "full", "full", "partitions and deltas", "full"]
        self.issuers = {one["name"]: Listed(one, form) for one, form in zip(signing, forms, strict=True)}
        self.published = {}
        home = self.country.directory
        ports = json.loads((home / "ports.json").read_text())
        authority = {"url": f"https://{ports['upstream']}", "certificate": str(home / "operator.pem"),
                     "key": str(home / "operator.key"), "ca": str(home / "tls-ca.pem"), "withdrawal_poll": "200ms",
                     "breaker_pause": "100ms"}
        self.platform = Platform(directory / "platform", cluster, self.issuers.values(), authority=authority, consent=consent,
                                 index={"keep": "1h"}, fetch={"backoff": "10ms", "attempts": 2, "stall_timeout": "1s"})
        self.index = self.platform.directory / "index"
        self.database = connect(self.platform.url)
        self.hands = ThreadPoolExecutor(HANDS)
        self.institutions = self.everyone(lambda name: Institution(self.platform, self.country, name, services),
                                          [f"bank-{number:02}" for number in range(1, institutions + 1)])
        self.server = None

    def everyone(self, does, whom=None):
        """Does it for all (institutions), a few at a time."""
        return list(self.hands.map(does, self.institutions if whom is None else whom))

    # --- time ---

    @property
    def now(self):
        return self.country.now

    def advance(self, **step):
        self.country.advance(**step)
        self.clock.set(self.country.now)

    def event(self, person, kind, **options):
        done = self.country.ask("POST", "event", {"person": person, "kind": kind, **options})
        self.country.now = parse_time(done["at"])
        self.clock.set(self.country.now)
        return done

    # --- the platform ---

    def ingest(self):
        """Takes the lists in: those of which issuers."""
        self.clock.set(self.country.now)
        result = subprocess.run([PROGRAM, "ingest", "--config", str(self.platform.config)], capture_output=True, text=True,
                                env=self.clock.environment(), stdin=subprocess.DEVNULL, timeout=seconds(600))
        fresh = [name for name in self.issuers
                 if f"{name}: published" in result.stdout or f"{name}: unchanged" in result.stdout]
        assert (result.returncode == 0) == (len(fresh) == len(self.issuers)), said(result)
        self.published.update((name, self.issuers[name].freshest(self.now)) for name in fresh)
        return fresh

    def note_lists(self):
        """Once their consequences are in the feeds."""
        self.settle()
        for one in self.institutions:
            one.diary.append(("lists", self.now, dict(self.published)))

    def serve(self):
        self.server = Server(self.platform, env=self.clock.environment())

    def kill(self):
        """Ends the server at once, and starts another. What the first had begun, it may take up after five minutes."""
        self.server.process.kill()
        self.server.process.wait()
        self.serve()
        self.advance(seconds=360)

    def rows(self, statement, *arguments):
        return rows(self.database, statement, *arguments)

    def settle(self):
        """Until the server has done all that can be done at this time."""
        newest = {name: max(int(path.stem) for path in (self.index / name).glob("0*.tix")) for name in self.issuers}
        claimed = self.now + timedelta(minutes=5)  # by AvailabilityChecks
        relayed = self.now + timedelta(seconds=60)  # by ConsentJobs

        # One may be due in exactly that time; but a claim does not take so long.
        late = time.monotonic() + seconds(20)

        def left():
            [row] = self.rows(
                "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM consent WHERE relay_at <= %s), "
                "(SELECT count(*) FROM awaiting WHERE next_check_at <= %s OR (next_check_at = %s AND NOT %s)), "
                "(SELECT count(*) FROM certificate WHERE NOT has_ended AND not_after < %s)",
                relayed, self.now, claimed, time.monotonic() > late, self.now)
            detected = dict(self.rows("SELECT name, detected_generation FROM issuer"))
            behind = {name: (detected.get(name), number) for name, number in newest.items() if detected.get(name) != number}
            return (row, behind) if any(row) or behind else None

        try:
            wait_until(lambda: not left(), 120, "the server to be done")
        except AssertionError as late:
            raise AssertionError(f"{late}: left of events, relays, checks; and of issuers: {left()}, at {self.now}") from None

    def withdraw_in_own_app(self, chosen):
        """`chosen`: (institution, consent)s. Those that the authority's books tell apart are withdrawn: how many."""
        there = {}
        for one in self.country.ask("GET", "consents")["consents"]:
            place = one["institution"], one["service"], one["person"], parse_time(one["received_at"])
            there.setdefault(place, []).append(one["consent"])
        ids = []
        for institution, consent in chosen:
            name = consent["consent_id"]
            person = institution.people[name]
            found = there[institution.id, consent["service_id"], person, parse_time(consent["received_at"])]
            if len(found) == 1:
                self.event(person, "withdraw_consent", consent=found[0])
                institution.ended(name, "withdrawn_by_subject_at_authority")
                ids.append(name)
        wait_until(lambda: not self.rows("SELECT 1 FROM consent WHERE consent_id = ANY (%s) AND status = 'active'", ids), 30,
                   "the withdrawals to be heard of")
        self.settle()
        return len(ids)

    def stop(self):
        self.hands.shutdown()
        for one in self.institutions:
            one.client.connection.close()
        code = self.server.stop() if self.server else 0
        self.country.stop()
        self.database.close()
        assert code == 0, self.server.log.read_text()[-4000:]
