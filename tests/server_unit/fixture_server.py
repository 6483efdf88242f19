"""An HTTP and HTTPS server that misbehaves as it is told, for tests of what asks others.

    fixture_server.py DIRECTORY        certificates are made there

Prints one line of JSON: ports, and paths of certificates. Then reads commands, one a line, and answers each with a line:

    {"path": "/a", "answers": [{...}, {...}]}    what to say at /a, request by request; the last one for ever
    {"requests": "/a"}                           what was asked there: [{"headers": {...}, "connection": 1234}, ...]; a POST's
                                                 also have "body"

An answer is {"status": 200, "file": "/tmp/body", "headers": {...}} and, at will: "etag" and "last_modified", which make it a
well-behaved server of conditional and range requests (RFC 9110 13 and 14); "ranges": false; "length", a Content-Length of
one's own; "chunked"; "wait", seconds before the head; "cut", bytes after which the connection is reset; "hold", bytes after
which nothing comes any more; "drip", [bytes, seconds] a piece; "raw", a text instead of all HTTP; "hang_up", end the
connection after the answer without having said so. Ends with its input.
"""
import datetime
import ipaddress
import json
import socket
import ssl
import struct
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
answers, requests, lock = {}, {}, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # the head and a small body in one packet

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.do_GET(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def do_GET(self, asked=None):
        with lock:
            said = {"headers": {k.lower(): v for k, v in self.headers.items()}, "connection": self.client_address[1]}
            if asked is not None:
                said["body"] = asked
            requests.setdefault(self.path, []).append(said)
            script = answers.get(self.path) or [{"status": 404}]
            answer = script.pop(0) if len(script) > 1 else script[0]
        try:
            self.say(answer)
        except OSError:
            self.close_connection = True

    def say(self, answer):
        time.sleep(answer.get("wait", 0))
        if "raw" in answer:
            self.wfile.write(answer["raw"].encode())
            self.close_connection = True
            return
        body = Path(answer["file"]).read_bytes() if "file" in answer else answer.get("body", "").encode()
        status, fields = answer.get("status", 200), {}
        if "etag" in answer:
            fields["ETag"] = answer["etag"]
        if "last_modified" in answer:
            fields["Last-Modified"] = answer["last_modified"]
        if status == 200 and self.is_unchanged(answer):
            status, body = 304, b""
        elif status == 200:
            status, body = self.part(answer, body, fields)
        self.send_response(status)
        for name, value in {**fields, **answer.get("headers", {})}.items():
            self.send_header(name, value)
        if answer.get("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) + (b"" if "cut" in answer else b"0\r\n\r\n")
        elif status != 304:
            self.send_header("Content-Length", answer.get("length", len(body)))
        self.end_headers()
        self.send(answer, body)
        if answer.get("hang_up"):
            self.close_connection = True

    def is_unchanged(self, answer):
        asked = self.headers.get("If-None-Match")
        if asked is not None:
            return asked == answer.get("etag")
        asked = self.headers.get("If-Modified-Since")
        since = answer.get("last_modified")
        return bool(asked and since) and parsedate_to_datetime(asked) >= parsedate_to_datetime(since)

    def part(self, answer, body, fields):
        asked, validator = self.headers.get("Range"), self.headers.get("If-Range")
        if not asked or not answer.get("ranges", True) or (validator and validator != answer.get("etag")):
            return 200, body
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        if first >= len(body):
            fields["Content-Range"] = f"bytes */{len(body)}"
            return 416, b""
        fields["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        return 206, body[first:]

    def send(self, answer, body):
        if "drip" in answer:
            size, pause = answer["drip"]
            for at in range(0, len(body), size):
                self.wfile.write(body[at:at + size])
                self.wfile.flush()
                time.sleep(pause)
            return
        stop = answer.get("cut", answer.get("hold", len(body)))
        self.wfile.write(body[:stop])
        self.wfile.flush()
        if "hold" in answer:
            self.connection.settimeout(120)
            self.connection.recv(1)  # nothing comes, until the other side goes away
            self.close_connection = True
        if "cut" in answer:
            time.sleep(0.1)  # so that what was sent is read before the reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that hung up, or found our certificate wanting


def make_certificate(directory, name, host="127.0.0.1", issuer=None, days=(-1, 30)):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True))
    if issuer:
        names = [x509.IPAddress(ipaddress.ip_address(host))] if host[0].isdigit() else [x509.DNSName(host)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, key


def serve(directory=None, name=None, client_ca=None):
    server = Server(("127.0.0.1", 0), Handler)
    if name:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server.server_address[1]


def main():
    directory = Path(sys.argv[1])
    ca, stranger = make_certificate(directory, "ca"), make_certificate(directory, "stranger-ca")
    make_certificate(directory, "server", issuer=ca)
    make_certificate(directory, "wrong-host", host="elsewhere.example", issuer=ca)
    make_certificate(directory, "expired", issuer=ca, days=(-30, -1))
    make_certificate(directory, "stranger", issuer=stranger)
    make_certificate(directory, "client", issuer=ca)
    ports = {"http": serve(), "client": serve(directory, "server", directory / "ca.pem")}
    ports |= {name: serve(directory, name) for name in ("server", "wrong-host", "expired", "stranger")}
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        with lock:
            if "path" in command:
                answers[command["path"]] = command["answers"]
                requests.pop(command["path"], None)
                reply = {}
            else:
                reply = requests.get(command["requests"], [])
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
