"""A private PostgreSQL cluster, and the driver of the feed's tests."""
import concurrent.futures
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import psycopg2

SOURCE = Path(__file__).resolve().parents[3]
DRIVER = os.environ.get("FEED_DRIVER", str(SOURCE / "build/release/tests/platform_unit/feed_driver"))
TIMEOUT = 30 * float(os.environ.get("TASHIKA_TIMEOUT_FACTOR", "1"))


class Cluster:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.start()

    def start(self):
        # What a process wrote is not lost with the server's process, so no fsync is needed here.
        environment = {**os.environ, "TASHIKA_PG_CONF": "fsync = off"}
        self.url = subprocess.run([SOURCE / "deploy/database", "start", self.directory], check=True, text=True,
                                  env=environment, capture_output=True).stdout.strip()

    def crash(self):
        """Ends every process of the cluster at once, as a power failure would; the next start recovers."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            postmaster = int(Path(cursor.fetchone()[0], "postmaster.pid").read_text().split()[0])
        connection.close()
        os.kill(postmaster, signal.SIGQUIT)
        while Path(f"/proc/{postmaster}").exists() and "zombie" not in Path(f"/proc/{postmaster}/status").read_text():
            threading.Event().wait(0.02)

    def remove(self):
        subprocess.run([SOURCE / "deploy/database", "remove", self.directory], check=True)

    def connect(self):
        return psycopg2.connect(self.url, options="-c search_path=tashika")

    def execute(self, statement, *values):
        """One statement in a transaction of its own; the rows, if there are any."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


class Driver:
    """A process that serves feeds. `ask` waits for the answer; `begin` gives a future of it."""

    def __init__(self, url, key, **options):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([DRIVER, "serve", url, str(key), json.dumps(options)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            self.waiting.pop(answer.pop("id")).set_result(answer)

    def begin(self, does, **command):
        future = concurrent.futures.Future()
        future.number = next(self.numbers)
        self.waiting[future.number] = future
        self.process.stdin.write(json.dumps({"id": future.number, "do": does, **command}) + "\n")
        self.process.stdin.flush()
        return future

    def ask(self, does, **command):
        return self.begin(does, **command).result(TIMEOUT)

    def page(self, institution, **query):
        """The page, or the slug of the problem."""
        answer = self.ask("page", institution=institution, **query)
        return json.loads(answer["page"]) if "page" in answer else answer["problem"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        self.log.seek(0)
        assert status == 0, self.log.read()
