"""Servers under load: Tashika, nginx with a static file, and the raw loop, one at a time on one core."""
import base64
import subprocess
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import http
from .inputs import free_port
from .processes import LOAD_CORE, SERVER_CORE, Broken, cpu_seconds, pinned, run, started

SCRIPT = Path(__file__).parent.parent / "load/load.lua"

# One worker, and all that makes a static file fast. A POST is turned into a GET of the file, as nginx can't take one.
NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  open_file_cache max=100 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  types {{ application/ocsp-response der; }}
  server {{
    listen 127.0.0.1:{port}; root {home};
    location = /answer.der {{ }}
    location = /ocsp {{ error_page 405 =200 /answer.der; alias {home}/answer.der; }}
  }}
}}
"""


@dataclass
class Measure:
    requests: int
    per_second: float
    per_cpu_second: float
    busy: float  # share of its core
    p99_ms: float


class Load:
    """The requests of a run, as files that the script for wrk reads."""

    def __init__(self, inputs, home, serials, seconds):
        self.inputs = inputs
        self.home = home
        self.seconds = seconds
        plain = [inputs.request(serial) for serial in serials]
        paths = ["/ocsp/" + urllib.parse.quote(base64.b64encode(request), safe="") for request in plain]
        self.files = {"post": self._write("post", [request.hex() for request in plain]),
                      "get": self._write("get", paths),
                      "file": self._write("file", ["/answer.der"]),
                      "nonce": self._write("nonce", [inputs.request(serial, bytes(16)).hex() for serial in serials])}

    def _write(self, name, lines):
        path = self.home / f"{name}.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    def run(self, server, kind, seconds=None, connections=16, file=None):
        """Loads a running server, and says what a second of its processor time was worth."""
        process, port = server
        seconds = seconds or self.seconds
        before = cpu_seconds(process.pid)
        said = run(pinned([self.inputs.programs.wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
                           "-s", SCRIPT, f"http://127.0.0.1:{port}/ocsp", "--", self.files[file or kind], kind], LOAD_CORE))
        spent = cpu_seconds(process.pid) - before
        requests, duration, wrong, broken, _, p99 = map(float, said.rpartition("result ")[2].split())
        if wrong or broken or not requests:
            raise Broken(f"{wrong:.0f} answers were not 200, {broken:.0f} connections failed:\n{said}")
        duration /= 1e6
        return Measure(int(requests), requests / duration, requests / spent, spent / duration, p99 / 1e3)


@contextmanager
def tashika(inputs, name, log, threads=1, core=SERVER_CORE):
    """Serves the index that `ingested` left under that name."""
    port = free_port()
    config = inputs.config(name, port=port, threads=threads)
    with started([inputs.programs.tashika, "serve", "--config", config], log, core) as process:
        http.wait_until_up(port, process)
        yield process, port


@contextmanager
def nginx(inputs, home, log, body):
    (home / "answer.der").write_bytes(body)
    port = free_port()
    (home / "nginx.conf").write_text(NGINX.format(home=home, port=port))
    command = [inputs.programs.nginx, "-p", home, "-e", home / "nginx.log", "-c", home / "nginx.conf"]
    with started(command, log, SERVER_CORE) as process:
        http.wait_until_up(port, process)
        for request in (http.get("/answer.der"), http.post(b"0")):
            if http.ask(port, request)[:2] != (200, body):
                raise Broken("nginx does not serve the file")
        yield process, port


@contextmanager
def raw_epoll(inputs, home, log, answer):
    """The limit: `answer`, headers and all, to whatever is asked."""
    path = home / "answer.http"
    path.write_bytes(answer)
    with started([inputs.programs.raw_epoll, path], log, SERVER_CORE, stdout=subprocess.PIPE) as process:
        yield process, int(process.stdout.readline())
