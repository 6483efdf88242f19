"""What an institution's feed must have said, by the authority's books and the institution's diary alone."""
from collections import Counter

from .country import parse_time
from .institution import granted

REASONS = {1: "keyCompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation", 6: "certificateHold"}
TYPES = {"good": "certificate.released", "held": "certificate.held", "revoked": "certificate.revoked"}


class Subject:
    """A person as one institution knows them."""

    def __init__(self, person, certificate):
        self.person, self.state, self.since, self.eligible = person, "unchanged", None, None
        self.known = {certificate: "good"}  # certificates, each with its status as the lists taken in so far have it
        self.watched = certificate
        self.consents = {}  # active ones: service by consent


class Judge:
    """Follows a diary, and counts what it finds. `options`: give_up and patience, the time in which a newer certificate
    must be found."""

    def __init__(self, books, diary, give_up, patience, may_be_stale):
        self.books, self.diary, self.give_up, self.patience = books, diary, give_up, patience
        self.may_be_stale = may_be_stale
        self.subjects, self.of_consent, self.records = {}, {}, {}
        self.expected, self.versions = Counter(), {}
        self.lists, self.now = {}, None
        self.items, self.rejected = Counter(), 0
        self.shown = set()  # certificates that the platform has seen, so that it knows when they end
        self.told = {}  # consents with something new that was not fetched yet

    def follow(self):
        for what, *details in self.diary:
            getattr(self, f"on_{what}")(*details)
        assert not +self.expected and not self.rejected, f"never told: {+self.expected}, {self.rejected} rejections"
        return self

    def expect(self, subject, kind, *details):
        for consent in subject.consents:
            self.expected[consent, kind, *details] += 1

    # --- what the lists say ---

    def on_lists(self, now, published):
        """`published`: by issuer, the moment of the lists in force from now on."""
        self.now = now
        for subject in self.subjects.values():
            lapsed = []
            for certificate, before in subject.known.items():
                if published[certificate.authority] == self.lists.get(certificate.authority):
                    continue
                status, reason, date = certificate.listed(published[certificate.authority])
                if before in ("revoked", "expired") or status == before:
                    continue
                if status == "good" and certificate in self.shown and certificate.not_after < now:
                    continue
                subject.known[certificate] = status
                self.expect(subject, TYPES[status], REASONS.get(reason), date)
                if status == "revoked":
                    lapsed.append(certificate)
            for certificate in self.shown & subject.known.keys():
                if subject.known[certificate] in ("good", "held") and certificate.not_after < now:
                    subject.known[certificate] = "expired"
                    lapsed.append(certificate)
            if subject.watched in lapsed:
                self.expect(subject, "subject.update_pending", subject.known[subject.watched])
                subject.state, subject.since, subject.eligible = "awaiting", now, None
        self.lists = dict(published)

    # --- what the feed says ---

    def on_items(self, items):
        got, told = Counter(), {}  # news of a subject, for each of its consents
        found = {(item["sub"], item["occurred_at"]) for item in items if item["type"] == "subject.update_available"}
        for item in items:
            self.items[item["type"]] += 1
            if item["type"] == "status.stale":
                self.check_stale(item)
                continue
            consent, kind = item["consent_id"], item["type"]
            if kind == "consent.rejected":
                self.rejected -= 1
                continue
            self.check_version(item)
            if kind in ("subject.update_available", "subject.update_lapsed"):
                news = kind, item["sub"], item["occurred_at"]
                if news not in told:
                    subject = self.subjects[item["sub"]]
                    getattr(self, kind.removeprefix("subject.update_"))(subject, parse_time(item["occurred_at"]))
                    told[news] = Counter(subject.consents.keys())
                told[news][consent] -= 1
                continue
            got[consent, kind, *self.details(item)] += 1
            if kind == "subject.update_pending":
                self.subjects[item["sub"]].since = parse_time(item["occurred_at"])
            elif kind == "consent.superseded":
                self.superseded(item, found)
        for news, consents in told.items():
            assert not any(consents.values()), f"{news} was not told once to each: {consents}"
        assert got == self.expected, (f"not told: {self.about(self.expected - got)}, "
                                      f"told without cause: {self.about(got - self.expected)}")
        self.expected = Counter()
        self.check_patience()

    def about(self, events):
        """The first few, with what is known of whom they are about."""
        return [(*event, vars(self.of_consent[event[0]])) for event in list(events)[:3] if event[0] in self.of_consent]

    @staticmethod
    def details(item):
        kind = item["type"]
        if kind.startswith("certificate."):
            return item["status"].get("reason"), item["status"].get("revoked_at")
        if kind == "subject.update_pending":
            return (item["reason"],)
        if kind == "consent.withdrawn":
            return (item["status_reason"]["code"],)
        return ()

    def check_version(self, item):
        if "subject_version" not in item:
            return
        assert item["subject_version"] > self.versions.get(item["consent_id"], 0), item
        self.versions[item["consent_id"]] = item["subject_version"]

    def check_stale(self, item):
        since, at = parse_time(item["stale_since"]), parse_time(item["occurred_at"])
        assert item["issuer"] in self.may_be_stale and since <= at, item

    def available(self, subject, at):
        assert subject.state == "awaiting", f"{subject.watched} was {subject.state}"
        newer = self.books.newest_good(subject.person, at)
        assert newer and newer.issued_at > subject.watched.issued_at, f"after {subject.watched} comes {newer}"
        self.learn(subject, newer, at)
        subject.state = "available"
        self.told.update((one, newer) for one in subject.consents if self.records[one]["has"] is not newer)

    def lapsed(self, subject, at):
        assert subject.state == "awaiting" and at >= subject.since + self.give_up, f"{subject.watched} since {subject.since}"
        newer = self.books.newest_good(subject.person, at)
        assert not newer or newer.issued_at < subject.watched.issued_at, f"after {subject.watched} comes {newer}"
        subject.state = "lapsed"

    def learn(self, subject, certificate, at):
        subject.watched = certificate
        subject.known.setdefault(certificate, certificate.listed(self.lists[certificate.authority])[0])
        self.supersede(certificate, at)

    def supersede(self, certificate, at):
        """Whoever showed a newer card before it was known as such is two subjects until it is: of their consents for one
        service the latest stays."""
        latest = {}
        for subject in self.subjects.values():
            for consent, service in subject.consents.items() if subject.watched is certificate else ():
                latest.setdefault(service, []).append((self.records[consent]["from"], consent))
        for consents in latest.values():
            for _, earlier in sorted(consents)[:-1]:
                self.end(earlier, "consent.superseded", at)

    def superseded(self, item, found):
        """Of a subject all of whose consents end so nobody is told that there is a newer certificate."""
        subject, at = self.of_consent[item["consent_id"]], item["occurred_at"]
        is_by_another = item["replaced_by"] not in subject.consents and item["consent_id"] in subject.consents
        if subject.state == "awaiting" and is_by_another and (item["sub"], at) not in found:
            self.available(subject, parse_time(at))

    def check_patience(self):
        """Nobody waits longer than they must."""
        for subject in self.subjects.values():
            if subject.state != "awaiting" or not subject.consents:
                subject.eligible = None
                continue
            newer = self.books.newest_good(subject.person, self.now)
            if newer and newer.issued_at > subject.watched.issued_at:
                subject.eligible = subject.eligible or self.now
                assert self.now <= subject.eligible + self.patience, f"{newer} was not found since {subject.eligible}"
            else:
                subject.eligible = None
                assert self.now <= subject.since + self.give_up + self.patience, f"{subject.watched} is awaited for ever"

    # --- what the institution did ---

    def on_registered(self, consent, person, medium, serial, at):
        certificate, name = self.books.find(person, medium, serial), consent["sub"]
        known_as = {sub for sub, one in self.subjects.items() if certificate in one.known}
        if name not in self.subjects:
            assert not known_as, f"{certificate} is {known_as} already, and now {name}"
            self.subjects[name] = Subject(person, certificate)
        subject = self.subjects[name]
        self.shown.add(certificate)
        assert subject.person == person and certificate in subject.known, f"{name} is two people"
        if subject.state not in ("unchanged", "delivered"):
            subject.state, subject.watched = "unchanged", certificate
        for earlier, service in list(subject.consents.items()):
            if service == consent["service_id"]:
                self.end(earlier, "consent.superseded", at)
        subject.consents[consent["consent_id"]] = consent["service_id"]
        self.of_consent[consent["consent_id"]] = subject
        self.records[consent["consent_id"]] = {"consent": consent, "from": at, "until": None, "has": certificate,
                                              "newest": certificate, "given": []}
        self.expected[consent["consent_id"], "consent.activated"] += 1

    def on_withdrawn(self, consent_id, code, at):
        self.end(consent_id, "consent.withdrawn", at, code)

    def end(self, consent_id, kind, at, *details):
        del self.of_consent[consent_id].consents[consent_id]
        self.records[consent_id]["until"] = at
        self.told.pop(consent_id, None)
        self.expected[consent_id, kind, *details] += 1

    def on_rejected(self):
        self.rejected += 1

    def on_put_off(self, consent_id, code):
        pass  # asked again, by the same key

    def on_answered(self, consent_id, attributes, answer, before, at):
        subject, record = self.of_consent[consent_id], self.records[consent_id]
        assert record["until"] is None, f"{consent_id} ended at {record['until']}, and was answered at {at}"
        assert answer["sub"] in self.subjects and self.subjects[answer["sub"]] is subject
        if answer["outcome"] == "provided":
            at = parse_time(answer["verified_claims"]["verification"]["time"])
            newest = self.books.newest_good(subject.person, at)
            self.check_provided(record, attributes, answer, newest)
            self.learn(subject, newest, at)
            if record["newest"] is not newest:
                record["newest"] = newest
                subject.state = "delivered"
                self.expected[consent_id, "subject.update_delivered"] += 1
            self.told.pop(consent_id, None)
            return
        newest = self.books.newest_good(subject.person, at)
        if newest is not self.books.newest_good(subject.person, before):
            return  # it came while the question was on its way
        if answer["outcome"] == "awaiting_certificate":
            assert newest is None, f"{newest} was there at {at}"
        else:
            assert answer["outcome"] == "no_newer_information"
            assert newest is None or self.told.get(consent_id) is not newest, f"{consent_id} should have got {newest}"

    @staticmethod
    def check_provided(record, attributes, answer, newest):
        assert newest and newest.issued_at > record["has"].issued_at, f"{newest} is not newer than {record['has']}"
        details = answer["verified_claims"]["verification"]["evidence"][0]["record"]
        assert parse_time(details["created_at"]) == newest.issued_at
        allowed = set(granted(record["consent"]))
        refused = {one["attribute"] for one in answer["not_provided"]}
        assert refused == set(attributes) - allowed
        items = set(attributes) & allowed
        record["given"].append((answer["disclosure_id"], newest, items, answer["verified_claims"]["claims"]))
        if items == allowed:
            record["has"] = newest
