"""Fixtures that several files share: one infrastructure of seven issuers, one server over it, and a few special ones."""
import os
import time
from types import SimpleNamespace

import pytest

from support import crl
from support.crl import Entry
from support.pki import DAY, HOUR, MINUTE, NOW, Authority
from support.program import PROGRAM, Installation, Issuer, seconds
from support.publisher import Publisher

SERIALS_AT_THE_EDGES = [0, -1, -128, 1, 127, 2**63, 2**64 - 1, 2**64 + 1, 2**159 - 1, -(2**159)]


def pytest_sessionstart(session):
    if not session.config.option.collectonly and not os.access(PROGRAM, os.X_OK):
        pytest.exit(f"no program to test at {PROGRAM}: build it, or set TASHIKA", returncode=3)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("tashika")


@pytest.fixture(scope="session")
def pki(workspace):
    """Seven issuers, by name:

    p256      P-256, a delegated responder; has certificates good, revoked and held, and an entry for every reason
    rsa       RSA-2048, a delegated RSA responder; certificates as above
    ed25519   Ed25519, a delegated responder that ends before the list does; unlisted = "unknown"
    old, new  one distinguished name, two keys, overlapping serials; each CA answers itself; new is named by its DN
    lent-a/-b answered by one trusted responder that neither of them issued; lent-b's list ends in half an hour
    """
    directory = workspace / "pki"
    directory.mkdir()
    kinds = {"p256": "p256", "rsa": "rsa", "ed25519": "ed25519", "old": "p256", "new": "p256", "lent-a": "p256",
             "lent-b": "p256"}
    names = {"old": "CA with two keys", "new": "CA with two keys"}
    world = SimpleNamespace(authorities={name: Authority(directory, name, kind, names.get(name))
                                         for name, kind in kinds.items()})
    authorities = SimpleNamespace(**{name.replace("-", "_"): one for name, one in world.authorities.items()})
    world.ca = authorities
    world.leaves = {name: {status: world.authorities[name].issue(status) for status in ("good", "revoked", "held")}
                    for name in ("p256", "rsa")}
    world.trusted = Authority(directory, "trusted-responder").delegate("trusted")
    world.responders = {
        "p256": authorities.p256.delegate(),
        "rsa": authorities.rsa.delegate(key="rsa"),
        "ed25519": authorities.ed25519.delegate(valid_for=2 * DAY),
        "old": authorities.old, "new": authorities.new, "lent-a": world.trusted, "lent-b": world.trusted,
    }
    responder_options = {"new": {"id": "name"}, "lent-a": {"trusted": True}, "lent-b": {"trusted": True}}
    options = {"ed25519": {"unlisted": "unknown"}}
    world.issuers = [Issuer(one, world.responders[name].as_responder(**responder_options.get(name, {})),
                            options.get(name, {})) for name, one in world.authorities.items()]

    leaf_entries = {name: [Entry(leaves["revoked"].serial, 1), Entry(leaves["held"].serial, 6)]
                    for name, leaves in world.leaves.items()}
    reasons = [Entry(0x5000 + reason, reason) for reason in (1, 2, 3, 4, 5, 6, 9, 10)] + [Entry(0x5000)]
    edges = [Entry(serial, when=NOW - 9 * DAY + place * HOUR) for place, serial in enumerate(SERIALS_AT_THE_EDGES)]
    world.lists = {
        "p256": crl.make(authorities.p256, leaf_entries["p256"] + reasons, number=77),
        "rsa": crl.make(authorities.rsa, leaf_entries["rsa"]),
        "ed25519": crl.make(authorities.ed25519, [Entry(0x77)]),
        "old": crl.make(authorities.old, [Entry(0x1001, 1), Entry(0x1002, 4)]),
        "new": crl.make(authorities.new, [Entry(0x1002, 5), Entry(0x1003), *edges]),
        "lent-a": crl.make(authorities.lent_a, [Entry(0xA)]),
        "lent-b": crl.make(authorities.lent_b, [Entry(0xB)], next_update=NOW + 30 * MINUTE),
    }
    world.list_paths = {}
    for name, content in world.lists.items():
        world.list_paths[name] = directory / f"{name}.crl"
        world.list_paths[name].write_bytes(content)
    return world


@pytest.fixture(scope="session")
def installation(workspace, pki):
    made = Installation(workspace / "main", pki.issuers, {"max_age": "1h"})
    for name, content in pki.lists.items():
        made.provide(name, content)
    result = made.ingest()
    assert result.returncode == 0, result.stdout + result.stderr
    return made


@pytest.fixture(scope="session")
def server(installation):
    with installation.serve() as running:
        yield running


@pytest.fixture
def small(tmp_path, pki):
    """Makes installations of the p256 issuer alone, in a directory of their own: small(ocsp={...}, entries=[...])."""
    def make(entries=(), number=1, publish=True, name="small", next_update=NOW + 7 * DAY, this_update=None, **options):
        made = Installation(tmp_path / name, [Issuer(pki.ca.p256, pki.responders["p256"].as_responder())], **options)
        if publish:
            made.publish("p256", crl.make(pki.ca.p256, entries, number, next_update=next_update, this_update=this_update))
        return made
    return make


@pytest.fixture
def publisher(tmp_path, pki):
    """Makes publishers for the p256 issuer, each in a directory of its own: publisher(crl=["lists"], partitions=3)."""
    def make(directory="lists-and-index", index_options=None, fetch=None, **options):
        return Publisher(tmp_path / directory, pki.ca.p256, pki.responders["p256"].as_responder(), options,
                         index_options=index_options, fetch=fetch)
    return make


@pytest.fixture(scope="session")
def stale(workspace, pki):
    """A server that was ready, and whose list has run out since: (server, the answer it gave before)."""
    made = Installation(workspace / "stale", [Issuer(pki.ca.p256, pki.responders["p256"].as_responder())])
    ends = int(time.time()) + int(seconds(4)) + 1
    made.publish("p256", crl.make(pki.ca.p256, [Entry(5)], next_update=NOW.fromtimestamp(ends, NOW.tzinfo)))
    with made.serve() as running:
        before = running.status(pki.ca.p256, 5)
        time.sleep(max(0, ends + 1.2 - time.time()))
        yield running, before


# The platform half. Imported where it is used: the status half's tests need neither PostgreSQL nor its Python driver.


@pytest.fixture(scope="module")
def cluster():
    """A PostgreSQL cluster of the test file's own."""
    from support.database import Cluster
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def platform(tmp_path_factory, cluster, pki):
    """With [api] alone, for an issuer without a responder."""
    from support.platform import Platform
    directory = tmp_path_factory.mktemp("api")
    made = Platform(directory, cluster, [Issuer(pki.ca.p256)])
    (directory / "p256.crl").write_bytes(crl.make(pki.ca.p256))
    made.tashika("ingest")
    return made


@pytest.fixture
def a(server, platform):
    """A client of the platform's first bank; `server` is the file's own."""
    with platform.a.client() as client:
        yield client


@pytest.fixture(scope="module")
def town(request, tmp_path_factory, cluster):
    """The whole platform with two institutions. A test file's `TOWN` has more options of support.consenting.Town."""
    from support.consenting import Town
    made = Town(tmp_path_factory.mktemp("town"), cluster, **getattr(request.module, "TOWN", {}))
    yield made
    made.stop()


@pytest.fixture
def client(town):
    with town.a.client() as client:
        yield client
