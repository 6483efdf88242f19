"""An authority that says of certificates what it is told to: the upstream port of tests/authority/PROTOCOL.md, but for consents."""
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSALS = {"consent_withdrawn": 403, "consent_expired": 403, "consent_missing": 403, "not_found": 404}


class FakeAuthority:
    """`says` has by serial (an int) what is said of it: a state, the serial of the successor, or an HTTP status. Of the four
    information it tells states only. Nothing is said while `may_speak` is not set."""

    def __init__(self, world, issuer):
        self.says, self.asked, self.lock = {}, [], threading.Lock()
        self.may_speak = threading.Event()
        self.may_speak.set()
        self.issued_at = "2026-01-01T00:00:00Z"  # of every successor
        self.key_hash = issuer.key_hash("sha256").hex()
        authority = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = authority.answer(self.path, question)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.server.certificate_path, world.server.key_path)
        context.load_verify_locations(world.institutions.certificate_path)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.table = {"url": f"https://127.0.0.1:{self.server.server_address[1]}",
                      "certificate": str(world.bank.certificate_path), "key": str(world.bank.key_path),
                      "ca": str(world.server_ca.certificate_path), "timeout": "2s", "breaker_pause": "1s"}

    def answer(self, path, question):
        assert path in ("/v1/newer-certificate", "/v1/four-information")
        assert question["certificate"]["issuer_key_hash"].lower() == self.key_hash
        serial = int(question["certificate"]["serial"], 16)
        with self.lock:
            self.asked.append((serial, question["consent"]))
            said = self.says.get(serial, "awaiting_certificate")
        self.may_speak.wait()
        if said in REFUSALS:
            return REFUSALS[said], {"state": said}
        if isinstance(said, str):
            return 200, {"state": said, "billable_yen": 0}
        if said in (400, 500, 503):
            return said, {}
        text = f"{said:x}"
        return 200, {"state": "newer_certificate", "billable_yen": 0, "certificate_issued_at": self.issued_at,
                     "certificate": {"issuer_key_hash": self.key_hash, "serial": text.zfill(len(text) + len(text) % 2)}}

    def questions(self, serial):
        with self.lock:
            return sum(1 for asked, _ in self.asked if asked == serial)

    def stop(self):
        self.may_speak.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
