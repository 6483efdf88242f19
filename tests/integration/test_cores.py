"""Check 22: no core is written of a process that has to do with the database. Seen through /proc, as anybody sees it."""
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from support import crl
from support.program import PROGRAM, Installation, Issuer, toml_lines, wait_until

NOBODY = 65534
IS_ROOT = os.getuid() == 0
USER = NOBODY if IS_ROOT else os.getuid()
AS_USER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if IS_ROOT else []


@pytest.fixture
def home(pki):
    """An installation that belongs to somebody who is not root, with a program of their own."""
    directory = Path(tempfile.mkdtemp(prefix="tashika-cores-", dir="/tmp"))
    responder = pki.responders["p256"]
    files = {name: shutil.copy(path, directory) for name, path in (
        ("program", PROGRAM), ("ca", pki.ca.p256.certificate_path), ("certificate", responder.certificate_path),
        ("key", responder.key_path))}
    made = Installation(directory, [Issuer(pki.ca.p256, {name: files[name] for name in ("certificate", "key")},
                                           {"certificate": files["ca"]})])
    made.provide("p256", crl.make(pki.ca.p256))
    made.program = files["program"]
    if IS_ROOT:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    yield made
    shutil.rmtree(directory)


@pytest.fixture
def silent():
    """The address of a database that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"postgresql://127.0.0.1:{listener.getsockname()[1]}/x?user=x&sslmode=disable"


def may_be_dumped(process):
    """By the kernel's rule, all in /proc of a process that may not be dumped belongs to root."""
    assert process.poll() is None, process.communicate()
    return os.stat(f"/proc/{process.pid}/environ").st_uid == USER


def core_limits(process):
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4:6]


def start(home, *command):
    process = subprocess.Popen([*AS_USER, home.program, *command, "--config", home.config], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") == home.program, what="the program")
    return process


@pytest.mark.parametrize("command", [("serve",), ("ingest", "--every", "15m"), ("migrate",), ("audit", "verify"), ("keys", "list"),
                                     ("keys", "rotate"), ("institution", "list"), ("feed", "new-epoch")], ids=" ".join)
def test_no_core_of_who_has_a_database(home, silent, command):
    with home.config.open("a") as config:
        config.write("[database]\n" + toml_lines({"url": silent, "connect_timeout": "60s"}))
    process = start(home, *command)
    try:
        wait_until(lambda: not may_be_dumped(process) and core_limits(process) == ["0", "0"], what="no cores")
    finally:
        process.kill()
        process.communicate()


def test_the_status_half_alone_is_as_any_program(home):
    process = start(home, "ingest", "--every", "15m")
    try:
        wait_until(lambda: home.generations("p256"), what="the ingest")
        assert may_be_dumped(process)
    finally:
        process.kill()
        process.communicate()
