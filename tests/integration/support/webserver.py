"""A web server of lists that notes what it is asked, and can be slow, wrong, or conditional."""
import hashlib
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer:
    """Serves `files` by path. `tls` is (certificate file, key file)."""

    def __init__(self, tls=None):
        self.files, self.statuses, self.delays, self.types, self.etags = {}, {}, {}, {}, {}
        self.requests = []  # (path, headers, status), in the order of their ends
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site._answer(self)

            def log_message(self, *_):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.listener.socket = context.wrap_socket(self.listener.socket, server_side=True)
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.listener.server_port}"
        self.thread = threading.Thread(target=self.listener.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()

    def url(self, path):
        return self.base + path

    def etag(self, path):
        return self.etags.get(path) or f'"{hashlib.sha256(self.files[path]).hexdigest()[:16]}"'

    def asked(self, path):
        """(headers, status) of each request for a path."""
        return [(headers, status) for one, headers, status in self.requests if one == path]

    def _answer(self, call):
        path = call.path
        time.sleep(self.delays.get(path, 0))
        status = self.statuses.get(path, 200 if path in self.files else 404)
        body, headers = b"", {}
        if status == 200:
            body = self.files[path]
            headers = {"ETag": self.etag(path), "Content-Type": self.types.get(path, "application/pkix-crl")}
            if call.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
        self.requests.append((path, dict(call.headers), status))
        call.send_response(status)
        for name, value in headers.items():
            call.send_header(name, value)
        if status != 304:
            call.send_header("Content-Length", str(len(body)))
        call.end_headers()
        call.wfile.write(body)
