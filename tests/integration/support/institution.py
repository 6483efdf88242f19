"""What an institution runs: it registers what its customers signed, follows its feed, and asks where there is something new."""
import base64
import hashlib
import http.client
import json
import secrets
import uuid

from .country import format_time
from .pki import DAY
from .platform import Client, Response
from .program import wait_until
from .tls import CLIENT

NOTICE = {"version": "2026-05", "language": "ja", "sha256": hashlib.sha256(b"the notice").hexdigest()}
PURPOSE = "https://bank.example/purposes/ongoing-diligence"
ATTRIBUTES = ("name", "address", "birthdate", "gender")
BROKEN = (OSError, http.client.HTTPException)


def granted(consent):
    return tuple(scope.removeprefix("attr:") for scope in consent["scopes"])


class Institution:
    """`diary` has what it did and was told, in order, as (what, *details): Judge reads it when all is over."""

    def __init__(self, platform, country, name, services):
        self.country, self.name = country, name
        self.id = platform.tashika("institution", "add", name)
        for service in services:
            platform.tashika("institution", "service", "add", name, service)
        holder = platform.institutions.issue(name, extensions=[CLIENT], valid_for=800 * DAY)  # tokens end with it
        platform.tashika("institution", "certificate", "add", name, holder.certificate_path, "--roles",
                         "poller,query,consent-admin")
        self.client = Client(platform, holder)
        self.consents, self.people, self.diary = {}, {}, []
        self.cursor, self.pos = None, 0
        self.fetch = {}  # consents that have something new: under which key it is asked for

    def ask(self, method, path, body=None, **headers):
        """Asks until there is an answer, by the same key."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))

        def answered():
            try:
                return self.client.call(method, path, body, headers)
            except BROKEN:
                self.client.connection.close()
                return None

        answer = wait_until(answered, 60, f"{method} {path}")
        assert isinstance(answer, Response) and answer.status < 500 or answer.status == 503, answer.body
        return answer

    # --- the feed ---

    def poll(self):
        """To the end. A page and the cursor behind it are taken in together; no page leaves a hole."""
        news = []
        while True:
            cursor = f"&cursor={self.cursor}" if self.cursor else ""
            answer = self.ask("GET", f"/v1/changes?limit=500{cursor}")
            assert answer.status == 200, answer.body
            page = answer.json
            numbers = [item["pos"] for item in page["items"]]
            assert numbers == list(range(self.pos + 1, self.pos + 1 + len(numbers))), f"{self.name}: {numbers}"
            self.cursor, self.pos = page["next_cursor"], self.pos + len(numbers)
            news += page["items"]
            if not page["more"]:
                break
        self.diary.append(("items", news))
        for item in news:
            self.apply(item)

    def apply(self, item):
        consent = self.consents.get(item.get("consent_id"))
        if consent is None:
            return
        if item["type"] == "subject.update_available":
            self.fetch[consent["consent_id"]] = str(uuid.uuid4())
        elif item["type"] in ("consent.withdrawn", "consent.superseded"):
            consent["status"] = item["type"].removeprefix("consent.")
            self.fetch.pop(consent["consent_id"], None)

    def active(self):
        return [one for one in self.consents.values() if one["status"] == "active"]

    # --- consents ---

    def document(self, service, scopes, now):
        return {"institution": self.id, "service": service, "scopes": scopes, "purpose": PURPOSE, "notice": NOTICE,
                "consented_at": format_time(now), "nonce": secrets.token_hex(16)}

    def register(self, person, service, scopes, seat="card signing", form="raw", **options):
        """The person signs, and it is registered: the answer."""
        now = self.country.now
        document = self.document(service, scopes, now)
        encoded = base64.b64encode(json.dumps(document).encode()).decode()
        signed = self.country.ask("POST", "sign", {"person": person, "seat": seat, "document": encoded, "format": form,
                                                 **options})
        members = ("certificate", "signature") if form == "raw" else ("cms",)
        body = {"service_id": service, "scopes": scopes, "purpose": PURPOSE, "notice": NOTICE, "channel": "own_app",
                "consented_at": document["consented_at"],
                "evidence": {"format": form, "document": encoded, **{name: signed[name] for name in members}}}
        answer = self.ask("POST", "/v1/consents", body)
        if answer.status == 201:
            consent = self.consents[answer.json["consent_id"]] = answer.json
            self.people[consent["consent_id"]] = person
            self.diary.append(("registered", consent, person, signed["medium"], signed["serial"], now))
        elif answer.json["code"] == "consent-rejected":
            self.diary.append(("rejected",))
        return answer

    def withdraw(self, consent_id):
        answer = self.ask("POST", f"/v1/consents/{consent_id}/withdrawal", {"reason": "withdrawn_by_subject_at_institution"})
        assert answer.status == 200, answer.body
        self.ended(consent_id, "withdrawn_by_subject_at_institution")

    def ended(self, consent_id, code):
        self.consents[consent_id]["status"] = "withdrawn"
        self.fetch.pop(consent_id, None)
        self.diary.append(("withdrawn", consent_id, code, self.country.now))

    # --- the four items ---

    def query(self, consent_id, attributes, key=None):
        before = self.country.now
        body = {"attributes": list(attributes), "purpose": "liveness_check"}
        answer = self.ask("POST", "/v1/attributes/query", body, Idempotency_Key=key or str(uuid.uuid4()),
                          Authorization=f"Bearer {self.consents[consent_id]['token']}")
        if answer.status == 200:
            self.diary.append(("answered", consent_id, tuple(attributes), answer.json, before, self.country.now))
        return answer

    def wanted(self, consent_id):
        """What was consented to; some ask for everything all the same."""
        return ATTRIBUTES if consent_id[-1] in "abcdefg" else granted(self.consents[consent_id])

    def fetch_news(self):
        """Asks for what the feed announced; what the authority can't say now stays for the next time, under its key."""
        for consent_id, key in list(self.fetch.items()):
            answer = self.query(consent_id, self.wanted(consent_id), key)
            if answer.status == 200:
                del self.fetch[consent_id]
            else:
                assert answer.status in (409, 503) and answer.json["retryable"], answer.body
                self.diary.append(("put_off", consent_id, answer.json["code"]))

    def pages(self, path):
        """All items of a list."""
        items, token = [], ""
        while token is not None:
            answer = self.ask("GET", f"{path}?limit=100{token and '&page_token=' + token}")
            assert answer.status == 200, answer.body
            items += answer.json["items"]
            token = answer.json["next_page_token"]
        return items
