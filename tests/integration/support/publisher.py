"""One authority's lists as files in a directory, their ingest, and what must hold after it."""
import json
import os
import re

from .messages import cert_id, request
from .program import Installation, Issuer, said, tashika


class Publisher:
    """`options` are of [[issuers]]; paths in it are relative to `directory`, where put() leaves files."""

    def __init__(self, directory, authority, responder, options, **tables):
        self.authority, self.responder, self.tables = authority, responder, tables
        self.directory, self.options = directory, {}
        self.installation = None
        self.configure(**options)

    def configure(self, **options):
        """Writes the configuration anew; what is None is left out."""
        self.options.update(options)
        before = self.installation
        self.installation = Installation(self.directory, [Issuer(self.authority, self.responder, self.options)], **self.tables,
                                         ports=before and (before.ocsp_port, before.ops_port))

    def put(self, name, content):
        """A file appears, or another takes its place, as authorities should do it: by renaming."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.rename(temporary, path)

    def put_all(self, lists):
        for name, content in lists.items():
            self.put(name, content)

    def drop(self, name):
        (self.directory / name).unlink()

    def publish(self, *arguments):
        result = self.installation.ingest(*arguments)
        assert result.returncode == 0, said(result)
        assert "published" in result.stdout, said(result)
        return result

    def refuse(self, *patterns, ingest=None):
        """The ingest must fail, say why, and leave in force what was there."""
        before, listed = self.generations(), self.newest() and self.listing()
        result = ingest or self.installation.ingest()
        assert result.returncode == 1, said(result)
        for pattern in patterns:
            assert re.search(pattern, said(result), re.IGNORECASE), f"nothing like {pattern!r} in: {said(result)}"
        assert self.generations() == before
        assert (self.newest() and self.listing()) == listed
        return result

    def generations(self):
        """The index files, oldest first."""
        return sorted((self.installation.index / self.authority.name).glob("[0-9]*.tix"))

    def newest(self):
        return self.generations()[-1] if self.generations() else None

    def index(self, command, *arguments):
        result = tashika("index", command, self.installation.index / self.authority.name, *arguments, "--json")
        assert result.returncode == 0, said(result)
        return json.loads(result.stdout)

    def info(self):
        return self.index("info")

    def listing(self):
        """What is in force: the lists, by number and bytes."""
        return [(one["crl_number"], one["identity_sha256"]) for one in self.info()["lists"]]

    def numbers(self):
        return [int(one["crl_number"]) for one in self.info()["lists"]]

    def statuses(self, *serials):
        """By serial "revoked", with the reason where there is one, or "unlisted"."""
        return [" ".join(filter(None, (one["status"], one.get("reason"))))
                for one in self.index("lookup", *(f"{serial:x}" for serial in serials))]

    def serve(self, **options):
        return self.installation.serve(**options)

    def ask(self, server, serial):
        return server.ask(request(cert_id(self.authority, serial)))
