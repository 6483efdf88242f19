"""The little HTTP that the harness speaks itself: one request, one whole answer, as bytes."""
import socket
import time

from .processes import Broken


def post(body, path="/ocsp"):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def ask(port, request):
    """Status, body and the whole answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while True:
            more = connection.recv(65536)
            answer += more
            head, separator, body = answer.partition(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            if separator and length and len(body) >= int(length[0].split(b":")[1]):
                return int(answer[9:12]), body, answer
            if not more:
                raise Broken(f"the server closed in the middle of an answer: {answer[:200]!r}")


def wait_until_up(port, process, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise Broken(f"nothing listens on port {port}")
