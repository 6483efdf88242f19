#!/usr/bin/env python3
"""What an institution runs against Tashika's API, to start from. Python's standard library only.

    bank.py --url https://127.0.0.1:8443 --certificate bank.pem --key bank.key --ca server-ca.pem follow

`follow` reads the feed of changes into bank.db, for ever, and fetches the new data of each customer who has some.
`consents` shows what the feed told. The certificate needs the roles poller, query and consent-admin (for new tokens).
The one rule that matters is in apply_page: a page of changes and the cursor behind it are stored in ONE transaction, so
that a crash at any moment neither loses a change nor applies one twice. The other: who is in state `fetch` stays there
until there is an answer, or the consent is over.
"""
import argparse
import http.client
import json
import sqlite3
import ssl
import time
import urllib.parse
import uuid

TABLES = """
CREATE TABLE IF NOT EXISTS cursor (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), value TEXT NOT NULL, pos INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS consent (consent_id TEXT PRIMARY KEY, token TEXT, state TEXT, asked_key TEXT);
CREATE TABLE IF NOT EXISTS customer (consent_id TEXT PRIMARY KEY, claims TEXT NOT NULL, disclosure_id TEXT NOT NULL);
"""
STATES = {"subject.update_available": "fetch", "subject.update_pending": "waiting", "consent.withdrawn": "ended",
          "consent.expired": "ended", "consent.superseded": "ended", "consent.rejected": "ended"}


class Api:
    """One TLS connection with our client certificate, made again when it breaks."""

    def __init__(self, url, certificate, key, ca):
        self.host = urllib.parse.urlsplit(url).netloc
        self.tls = ssl.create_default_context(cafile=ca)
        self.tls.load_cert_chain(certificate, key)
        self.connection = None

    def ask(self, method, path, body=None, **headers):
        """The JSON of a 2xx answer; Problem for any other."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=70)  # wait=50, and a reserve
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body),
                                    {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()})
            answer = self.connection.getresponse()
            content = json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise
        if answer.status >= 300:
            raise Problem(answer.status, content, answer.headers.get("Retry-After"))
        return content


class Problem(Exception):
    def __init__(self, status, content, retry_after):
        super().__init__(f"{status} {content.get('code')}: {content.get('detail') or content.get('title')}")
        self.status = status
        self.code, self.retryable, self.retry_after = content.get("code", ""), content.get("retryable"), retry_after


def apply_page(database, page):
    """All of a page and the cursor behind it, or nothing."""
    with database:  # one transaction
        (pos,) = database.execute("SELECT coalesce(max(pos), 0) FROM cursor").fetchone()
        if page["items"] and pos and page["first_pos"] != pos + 1:
            raise SystemExit(f"the feed has a hole: we had {pos}, and it goes on at {page['first_pos']}. Call the platform operator.")
        for item in page["items"]:
            print(f"{item['pos']:>6}  {item['occurred_at']}  {item['type']:<26}  {item.get('consent_id', '')}", flush=True)
            if item["type"] == "token.reissue_needed":
                database.execute("UPDATE consent SET token = NULL WHERE consent_id = ?", (item["consent_id"],))
            if state := STATES.get(item["type"]):  # the key is stored before it is used: a retry after a crash is not charged twice
                database.execute("INSERT INTO consent (consent_id, state, asked_key) VALUES (?1, ?2, ?3) ON CONFLICT (consent_id) "
                                 "DO UPDATE SET state = ?2, asked_key = ?3", (item["consent_id"], state, str(uuid.uuid4())))
        database.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)", (page["next_cursor"], page["last_pos"] or pos))


def query(api, database, consent, token, key):
    """One question. A token that is lost, or not valid any more, is replaced; a new one that is refused too is not."""
    def keep(token):
        with database:
            database.execute("UPDATE consent SET token = ? WHERE consent_id = ?", (token, consent))
    is_new = token is None
    if is_new:  # bound to this certificate
        token = api.ask("POST", f"/v1/consents/{consent}/tokens", {})["token"]
        keep(token)
    try:
        return api.ask("POST", "/v1/attributes/query", {"attributes": ["name", "address"], "purpose": "liveness_check"},
                       Authorization=f"Bearer {token}", Idempotency_Key=f'"{key}"')
    except Problem as problem:
        if problem.code != "token-invalid":
            raise
        keep(None)
        if is_new:
            raise
    return query(api, database, consent, None, key)


def fetch(api, database):
    """Asks for the new data of every customer who has some. Who is left in `fetch` is asked for again, with the same key."""
    for consent, token, key in database.execute("SELECT consent_id, token, asked_key FROM consent WHERE state = 'fetch'").fetchall():
        try:
            answer = query(api, database, consent, token, key)
        except Problem as problem:
            print(f"        {consent}: {problem}", flush=True)
            if problem.retryable or not problem.code.startswith("consent-"):  # it passes, or somebody mends it
                continue
            answer = {"outcome": problem.code}
        with database:
            if answer["outcome"] == "provided":
                database.execute("INSERT OR REPLACE INTO customer VALUES (?, ?, ?)",
                                 (consent, json.dumps(answer["verified_claims"]["claims"], ensure_ascii=False), answer["disclosure_id"]))
            database.execute("UPDATE consent SET state = ? WHERE consent_id = ?", (answer["outcome"], consent))
        print(f"        {consent}: {answer['outcome']}", flush=True)


def start_over(api, database):
    """Our cursor is good no more (410): what happened since is not told again. All consents, as they are now, and a cursor from just
    before we looked; who has one may have new data, and a question costs nothing where there are none. What is not among them is
    lost with what the platform lost, and must be registered again."""
    here = "SELECT consent_id FROM consent WHERE state NOT IN ('ended', 'lost') AND state NOT LIKE 'consent-%'"
    known = {row[0] for row in database.execute(here)}
    consents, page_token, cursor = [], None, None
    while True:
        page = api.ask("GET", "/v1/consents?limit=1000" + (f"&page_token={urllib.parse.quote(page_token)}" if page_token else ""))
        consents, cursor, page_token = consents + page["items"], cursor or page["resume_cursor"], page["next_page_token"]
        if not page_token:
            break
    with database:  # one transaction, again
        for one in consents:
            state = {"active": "fetch", "pending": "waiting"}.get(one["status"], "ended")
            database.execute("INSERT INTO consent (consent_id, state, asked_key) VALUES (?1, ?2, ?3) ON CONFLICT (consent_id) DO UPDATE "
                             "SET state = ?2, asked_key = CASE WHEN state = 'fetch' THEN asked_key ELSE ?3 END",  # may be paid for
                             (one["consent_id"], state, str(uuid.uuid4())))
        lost = known - {one["consent_id"] for one in consents}
        database.executemany("UPDATE consent SET state = 'lost' WHERE consent_id = ?", ((one,) for one in lost))
        database.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?, 0)", (cursor,))
    print(f"        started over with {len(consents)} consents, {len(lost)} lost", flush=True)


def follow(api, database, once):
    while True:
        row = database.execute("SELECT value FROM cursor").fetchone()
        query = {"limit": 200, "wait": 0 if once else 50} | ({"cursor": row[0]} if row else {})
        try:
            try:
                page = api.ask("GET", "/v1/changes?" + urllib.parse.urlencode(query))
            except Problem as problem:
                if problem.status != 410:
                    raise
                start_over(api, database)
                continue
            apply_page(database, page)
            fetch(api, database)
            if once and not page["more"]:
                return
        except (OSError, http.client.HTTPException) as error:
            if once:
                raise SystemExit(str(error)) from error
            print(f"        {error}; again in 5 s", flush=True)
            time.sleep(5)
        except Problem as problem:
            if once or not problem.retryable:
                raise SystemExit(str(problem)) from problem
            time.sleep(int(problem.retry_after or 5))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("url", "certificate", "key", "ca"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--database", default="bank.db")
    parser.add_argument("--once", action="store_true", help="what there is now, then end")
    parser.add_argument("command", choices=["follow", "consents"])
    arguments = parser.parse_args()
    database = sqlite3.connect(arguments.database)
    database.executescript(TABLES)
    if arguments.command == "consents":
        for row in database.execute("SELECT consent_id, state, claims FROM consent LEFT JOIN customer USING (consent_id)"):
            print(*row)
    else:
        follow(Api(arguments.url, arguments.certificate, arguments.key, arguments.ca), database, arguments.once)


if __name__ == "__main__":
    main()
