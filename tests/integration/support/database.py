"""A private PostgreSQL cluster, as deploy/database makes it, with a database for each who asks."""
import os
import subprocess
import tempfile
from pathlib import Path

import psycopg2

from .program import REPOSITORY, seconds

SCRIPT = REPOSITORY / "deploy/database"


class Cluster:
    """`settings`: lines of postgresql.conf, after those that deploy/database writes. `prepare` gets the empty directory."""

    def __init__(self, *settings, prepare=None):
        self.settings = ["fsync = off", *settings]
        # Short, for the socket's path, and where the cluster's owner can go.
        self.directory = Path(tempfile.mkdtemp(prefix="tashika-db-", dir="/tmp"))
        self.directory.chmod(0o755)
        if prepare:
            prepare(self.directory)
        self.made = 0
        self.url = self._run("start").strip()

    def _run(self, command):
        result = subprocess.run([SCRIPT, command, self.directory], capture_output=True, text=True, timeout=seconds(120),
                                stdin=subprocess.DEVNULL, env={**os.environ, "TASHIKA_PG_CONF": "\n".join(self.settings)})
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def database(self):
        """The URL of a new, empty database."""
        self.made += 1
        name = f"test{self.made}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url.replace("/tashika?", f"/{name}?")

    def empty(self, url):
        """Another database takes the place of that one."""
        name = psycopg2.extensions.parse_dsn(url)["dbname"]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._execute(f"CREATE DATABASE {name}")

    def _execute(self, statement):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    def stop(self):
        self._run("stop")

    def start(self):
        self._run("start")

    def log(self):
        return (self.directory / "data/log").read_text()

    def remove(self):
        self._run("remove")


def connect(url, institution=None):
    """A connection as the superuser; with `institution`, as the API's role for it ("" for none)."""
    connection = psycopg2.connect(url, options="-c search_path=tashika")
    connection.autocommit = True
    if institution is not None:
        connection.cursor().execute("SET ROLE tashika_api")
        connection.cursor().execute("SELECT set_config('app.institution', %s, false)", (institution,))
    return connection


def rows(connection, statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall() if cursor.description else []
