"""A raw HTTP/1 client: sends exactly the bytes it is given, and is strict about what comes back."""
import re
import socket
import struct
import time

from .program import seconds


class Response:
    def __init__(self, version, status, headers, body):
        self.version, self.status, self.headers, self.body = version, status, headers, body

    def __repr__(self):
        return f"<HTTP/{self.version} {self.status} {self.headers} {self.body[:80]!r}>"

    def header(self, name):
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def cache_control(self):
        """The directives as a dictionary: {"max-age": "3600", "public": ""}."""
        parts = [part.strip().partition("=") for part in (self.header("cache-control") or "").split(",") if part.strip()]
        return {name.lower(): value for name, _, value in parts}


class Connection:
    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds(timeout))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        chunk = self.socket.recv(65536)
        self.buffer += chunk
        return bool(chunk)

    def response(self, head=False):
        """Reads one response; `head` says that it answers a HEAD request, so has no body."""
        while b"\r\n\r\n" not in self.buffer:
            assert self._more(), f"connection ended inside the header: {self.buffer[:200]!r}"
        header, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = header.decode("ascii").split("\r\n")
        status_line = re.fullmatch(r"HTTP/(1\.[01]) ([1-5]\d\d) [ -~]*", first)
        assert status_line, f"bad status line: {first!r}"
        headers = []
        for line in lines:
            field = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*?)[ \t]*", line)
            assert field, f"bad header line: {line!r}"
            headers.append((field[1].lower(), field[2]))
        response = Response(status_line[1], int(status_line[2]), headers, b"")
        if head or response.status in (204, 304) or response.status < 200:
            return response
        length = response.header("content-length")
        assert length is not None, "no Content-Length"
        while len(self.buffer) < int(length):
            assert self._more(), "connection ended inside the body"
        response.body, self.buffer = self.buffer[:int(length)], self.buffer[int(length):]
        return response

    def is_closed(self, within=10):
        """True when the peer closes, with nothing more to say, within so many seconds."""
        deadline = time.monotonic() + seconds(within)
        try:
            while not self.buffer and time.monotonic() < deadline:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                if not self._more():
                    return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            pass
        return False


def head_bytes(method, path, headers=(), version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post_bytes(body, path="/ocsp", headers=(), content_type="application/ocsp-request", version="1.1"):
    framing = [("Content-Type", content_type), ("Content-Length", len(body))]
    return head_bytes("POST", path, [*framing, *headers], version) + body


def exchange(port, data, head=False):
    with Connection(port) as connection:
        connection.send(data)
        return connection.response(head)


def get(port, path, headers=(), method="GET"):
    return exchange(port, head_bytes(method, path, headers), head=method == "HEAD")


def post(port, body, path="/ocsp", **options):
    return exchange(port, post_bytes(body, path, **options))
