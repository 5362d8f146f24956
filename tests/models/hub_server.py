"""A stand-in for the Hugging Face Hub on this machine: what its client asks for, and a log of it."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Repository:
    """A model's revisions, each file name -> content.

    gated: it is listed, but its files are not given out. token: without it the repository is not there.
    status: what every request is answered with. seconds: how long an answer takes.
    """

    revisions: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    gated: bool = False
    token: str | None = None
    status: int | None = None
    seconds: float = 0.0

    def files(self, revision: str) -> tuple[str, Mapping[str, bytes]] | None:
        """Returns the commit and the files of a branch, a tag or a commit."""
        for name, files in self.revisions.items():
            if revision in (name, commit_of(files)):
                return commit_of(files), files
        return None


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    authorization: str | None


@dataclass
class Hub:
    """What is served, and what was asked so far."""

    repositories: dict[str, Repository]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def fetched(self, ending: str = "") -> list[str]:
        """Returns the paths whose content was handed out, of files that end so."""
        return [
            one.path
            for one in self.asked
            if one.method == "GET" and "/resolve/" in one.path and one.path.endswith(ending)
        ]


def commit_of(files: Mapping[str, bytes]) -> str:
    """Returns 40 hex digits that the content decides."""
    digest = hashlib.sha1()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name])
    return digest.hexdigest()


@contextmanager
def serving(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serves repositories on a free port of this machine while in scope."""
    hub = Hub(repositories)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(Asked(self.command, path, self.headers.get("Authorization")))
            parts = path.strip("/").split("/")
            listed = parts[:2] == ["api", "models"]
            parts = parts[2:] if listed else parts
            repository = hub.repositories.get("/".join(parts[:2]))
            if repository is None:
                return self._refuse(404, "RepoNotFound", "Repository not found")
            time.sleep(repository.seconds)
            if repository.status is not None:
                return self._refuse(repository.status, "", "the Hub is out of order")
            given = self.headers.get("Authorization")
            if repository.token and given is None:
                return self._refuse(401, "RepoNotFound", "Repository not found")
            if repository.token and given != f"Bearer {repository.token}":
                # The worst a server can do: it repeats what it was given.
                said = "Invalid credentials in Authorization header"
                return self._refuse(401, "", said, detail=f"no use for {given}")
            if listed:
                return self._list(repository, parts)
            return self._file(repository, parts)

        def _list(self, repository: Repository, parts: list[str]) -> None:
            kind, revision = (parts[2], parts[3]) if len(parts) > 3 else ("revision", "main")
            found = repository.files(revision)
            if found is None:
                return self._refuse(404, "RevisionNotFound", "Invalid rev id")
            if len(parts) > 4:  # a folder below; there is none
                return self._refuse(404, "EntryNotFound", "no such folder")
            commit, files = found
            if kind == "tree":
                tree = [
                    {"type": "file", "path": name, "size": len(content), "oid": _etag(content)}
                    for name, content in files.items()
                ]
                return self._send(200, json.dumps(tree).encode())
            siblings = [{"rfilename": name, "size": len(files[name])} for name in files]
            told = {"id": "/".join(parts[:2]), "sha": commit, "siblings": siblings}
            return self._send(200, json.dumps(told).encode())

        def _file(self, repository: Repository, parts: list[str]) -> None:
            found = repository.files(parts[3])
            if found is None:
                return self._refuse(404, "RevisionNotFound", "Invalid rev id")
            if repository.gated:
                return self._refuse(403, "GatedRepo", "Access to this model is restricted")
            commit, files = found
            content = files.get("/".join(parts[4:]))
            if content is None:
                return self._refuse(404, "EntryNotFound", "Entry not found", commit=commit)
            begin = 0
            wanted = self.headers.get("Range", "")
            if wanted.startswith("bytes=") and wanted.endswith("-"):
                begin = int(wanted[len("bytes=") : -1])
            headers = {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": commit}
            if begin:
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            return self._send(206 if begin else 200, content[begin:], headers)

        def _refuse(
            self, status: int, code: str, message: str, *, detail: str = "", commit: str = ""
        ) -> None:
            headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
            body = json.dumps({"error": detail or message}).encode()
            self._send(status, body, {name: value for name, value in headers.items() if value})

        def _send(self, status: int, body: bytes, headers: Mapping[str, Any] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
