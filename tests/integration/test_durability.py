"""What survives: full disks, kill -9, two ingests at once, damaged files, and a switch under load."""
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest
from support import crl
from support.crl import Entry
from support.messages import cert_id, request
from support.pki import MINUTE, NOW
from support.program import KILLS, Installation, Issuer, lookup, said, seconds, tashika, wait_until

OLD, NEW = 0xA, 0xB


@pytest.fixture(scope="module")
def big_list(pki):
    """Number 2, with 200,000 entries, NEW among them and OLD not."""
    numbers = random.Random(20260401)
    serials = {NEW, *(numbers.randrange(2**32, 2**63) for _ in range(200_000))}
    return crl.make(pki.ca.p256, [Entry(serial) for serial in serials], number=2, this_update=NOW - 30 * MINUTE)


@pytest.fixture
def published(small):
    """An installation at number 1, which revokes OLD."""
    return small(entries=[Entry(OLD)])


def newest(made):
    return made.generations("p256")[-1]


def statuses(made):
    return lookup(newest(made), OLD, NEW)


def assert_untouched(made, generations):
    """Only the old generation is there, whole, and nothing half-made lies about."""
    assert made.generations("p256") == generations
    assert statuses(made) == ["revoked", "unlisted"]
    others = [path for path in made.index.rglob("*") if path.is_file() and path not in generations]
    assert [path for path in others if path.stat().st_size > 4096] == [], "stray files"


# --- full disks -----------------------------------------------------------------------------------------------------

def limit_file_size():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_a_file_size_limit_is_an_error_message(published, big_list):
    before = published.generations("p256")
    published.provide("p256", big_list)
    result = published.ingest(preexec_fn=limit_file_size, restore_signals=False)
    assert result.returncode == 1, said(result)
    assert "File too large" in said(result)
    assert_untouched(published, before)


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte."""
    mount = tmp_path / "tiny"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount],
                                           capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def test_a_full_disk_is_an_error_message(small, tiny_disk, big_list, pki):
    made = small(entries=[Entry(OLD)], index=tiny_disk / "index")
    before = made.generations("p256")
    made.provide("p256", big_list)
    result = made.ingest()
    assert result.returncode == 1, said(result)
    assert "No space left on device" in said(result)
    assert_untouched(made, before)
    made.publish("p256", crl.make(pki.ca.p256, [Entry(NEW)], number=3, this_update=NOW - 20 * MINUTE))
    assert statuses(made) == ["unlisted", "revoked"]


def test_an_index_directory_that_cannot_be_written_is_named(published, big_list):
    directory = published.index / "p256"
    shutil.rmtree(directory)
    directory.write_text("in the way")
    published.provide("p256", big_list)
    result = published.ingest()
    assert result.returncode == 1
    assert str(directory) in said(result)


# --- kill -9 --------------------------------------------------------------------------------------------------------

def test_a_killed_ingest_leaves_the_old_or_the_new_generation_whole(published, big_list, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(published.index, kept)
    published.provide("p256", big_list)
    started = time.monotonic()
    assert published.ingest().returncode == 0
    whole = time.monotonic() - started
    moments, seen = random.Random(7), []
    for _ in range(KILLS):
        shutil.rmtree(published.index)
        shutil.copytree(kept, published.index)
        process = published.start_ingest()
        time.sleep(moments.uniform(0, whole * 1.1))
        process.kill()
        process.wait()
        for index in published.generations("p256"):
            assert tashika("index", "verify", index).returncode == 0
        seen.append(statuses(published))
    assert all(one in (["revoked", "unlisted"], ["unlisted", "revoked"]) for one in seen)
    result = published.ingest()
    assert result.returncode == 0, said(result)
    assert statuses(published) == ["unlisted", "revoked"]
    assert [path.name for path in published.index.rglob("*tmp*")] == [], "what the killed left behind is not swept"


def test_two_ingests_at_once_publish_once(published, big_list):
    published.provide("p256", big_list)
    both = [published.start_ingest(output=subprocess.PIPE, text=True) for _ in range(2)]
    texts = ["".join(process.communicate(timeout=seconds(60))) for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert len(published.generations("p256")) == 2
    assert statuses(published) == ["unlisted", "revoked"]


# --- damage ---------------------------------------------------------------------------------------------------------

def assert_damage_is_found(path):
    for command in (["verify", path], ["lookup", path, "a"]):
        result = tashika("index", *command)
        assert result.returncode == 1, f"{command[0]}: {said(result)}"
        assert path.name in said(result)


@pytest.mark.parametrize("place", [0, 4, 8, 12, 16, 32, 63, 64, 0.1, 0.3, 0.5, 0.7, 0.9, -9, -1])
def test_a_flipped_bit_is_found(published, tmp_path, place):
    content = bytearray(newest(published).read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 0x10
    (tmp_path / "flipped.tix").write_bytes(content)
    assert_damage_is_found(tmp_path / "flipped.tix")


@pytest.mark.parametrize("left", [0, 1, 63, 64, 0.5, -8, -1])
def test_a_truncated_index_is_found(published, tmp_path, left):
    content = newest(published).read_bytes()
    (tmp_path / "cut.tix").write_bytes(content[:int(left * len(content)) if isinstance(left, float) else left])
    assert_damage_is_found(tmp_path / "cut.tix")


def test_trailing_bytes_in_an_index_are_found(published, tmp_path):
    (tmp_path / "longer.tix").write_bytes(newest(published).read_bytes() + bytes(8))
    assert_damage_is_found(tmp_path / "longer.tix")


def test_a_damaged_new_generation_leaves_the_old_one_in_force(published, pki):
    with published.serve() as server:
        content = bytearray(newest(published).read_bytes())
        content[len(content) // 2] ^= 1
        (newest(published).parent / f"{int(newest(published).stem) + 1:012}.tix").write_bytes(content)
        time.sleep(seconds(1.5))
        assert server.status(pki.ca.p256, OLD) == "revoked"


# --- a switch under load --------------------------------------------------------------------------------------------

def test_new_generations_come_within_a_second_and_cost_no_request(published, pki):
    body = request(cert_id(pki.ca.p256, OLD), cert_id(pki.ca.p256, NEW))
    answers, faults, over = [], [], threading.Event()

    def load(server):
        while not over.is_set():
            try:
                answers.append(tuple(server.ask(body).outcomes))
            except Exception as fault:  # whatever it is, it is a failed request
                faults.append(repr(fault))

    with published.serve() as server:
        threads = [threading.Thread(target=load, args=[server]) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(2, 8):
                revoked, other = (NEW, OLD) if number % 2 == 0 else (OLD, NEW)
                published.publish("p256", crl.make(pki.ca.p256, [Entry(revoked)], number, NOW - 30 * MINUTE))
                wait_until(lambda: server.status(pki.ca.p256, revoked) == "revoked", 1, f"generation of list {number}")
                assert server.status(pki.ca.p256, other) == "good"
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert faults == []
    assert len(answers) > 20
    assert set(answers) <= {("revoked", "good"), ("good", "revoked")}, "an answer mixes two generations"


def test_a_server_over_many_issuers_takes_up_each_on_its_own(tmp_path, pki):
    made = Installation(tmp_path / "two", [Issuer(ca, ca.as_responder()) for ca in (pki.ca.old, pki.ca.new)])
    made.publish("old", crl.make(pki.ca.old, [Entry(1)]))
    made.publish("new", crl.make(pki.ca.new, [Entry(1)]))
    with made.serve() as server:
        made.publish("new", crl.make(pki.ca.new, [Entry(2)], number=2, this_update=NOW - 30 * MINUTE))
        wait_until(lambda: server.status(pki.ca.new, 2) == "revoked", 1, "the new generation")
        assert [server.status(pki.ca.old, serial) for serial in (1, 2)] == ["revoked", "good"]
