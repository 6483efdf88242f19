"""A private PostgreSQL for the rows of the platform, and what only its owner can do: read and write all tables."""
import base64
import io
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .processes import Broken, cpu_seconds_of_tree, run

ROOT = Path(__file__).resolve().parents[2]
# A quarter of 24 GiB, as PostgreSQL's manual advises. All else, fsync above all, as it comes.
SETTINGS = "shared_buffers = 6GB\nmax_wal_size = 8GB\nwal_compression = lz4"


@dataclass
class Cluster:
    url: str
    directory: Path

    def cpu_seconds(self):
        """Of all its processes, also of those that have ended."""
        [pid] = (self.directory / "data/postmaster.pid").read_text().splitlines()[:1]
        return cpu_seconds_of_tree(int(pid))

    def connect(self):
        import psycopg2
        connection = psycopg2.connect(self.url, options="-c search_path=tashika")
        connection.autocommit = True
        return connection

    def must_not_hold(self, *texts):
        """Searches every file, also the log of transactions and the server's own."""
        for text in texts:
            done = subprocess.run(["grep", "-rlF", text, self.directory], capture_output=True, text=True)
            if done.returncode != 1:
                raise Broken(f"in the clear, or not searched: {done.stdout}{done.stderr}")


@contextmanager
def cluster():
    directory = tempfile.mkdtemp(prefix="tashika-bench-", dir="/tmp")
    os.chmod(directory, 0o755)
    script, environment = ROOT / "deploy/database", {**os.environ, "TASHIKA_PG_CONF": SETTINGS}
    try:
        yield Cluster(run([script, "start", directory], env=environment).strip(), Path(directory))
    finally:
        run([script, "remove", directory])


def ask(connection, statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall() if cursor.description else []


def copy(connection, table, columns, rows):
    """Rows of texts; None is NULL, octets are bytea, a list is an array."""
    lines = io.StringIO("".join("\t".join(map(_text, row)) + "\n" for row in rows))
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no checks of foreign keys
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", lines)


def _text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    if isinstance(value, list):
        return "{" + ",".join(value) + "}"
    return "\\N" if value is None else str(value)


def id_of(prefix, number):
    return prefix + base64.b32encode(number.to_bytes(16, "big")).decode().rstrip("=").lower()
