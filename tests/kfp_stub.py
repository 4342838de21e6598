"""A small stand-in for the API of Kubeflow Pipelines (v2beta1): keeps what it is told and answers as the real one does."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ID = {"experiments": "experiment_id", "pipelines": "pipeline_id", "runs": "run_id", "recurringruns": "recurring_run_id"}
LISTS = {"recurringruns": "recurringRuns"}


@dataclass
class Api:
    """What was asked of it, in order (method, path, query, body), and what it keeps."""

    address: str = ""
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    kept: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in (*ID, "versions")})

    def bodies(self, method: str, ending: str) -> list[Any]:
        return [body for how, path, _, body in self.asked if how == method and path.endswith(ending)]

    def add(self, kind: str, key: str, told: dict[str, Any]) -> dict[str, Any]:
        made = {**told, key: str(uuid.uuid4()), "created_at": "2026-01-01T00:00:00Z"}
        self.kept[kind][made[key]] = made
        return made


@contextmanager
def serving() -> Iterator[Api]:
    """Serve on a free port of this machine while this holds."""
    api = Api()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    api.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    api: Api

    def log_message(self, *_: Any) -> None:
        pass

    def _hear(self) -> tuple[str, dict[str, str], bytes]:
        at = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        query = {name: values[0] for name, values in parse_qs(at.query).items()}
        told = json.loads(body) if body and "json" in self.headers.get("content-type", "") else body.decode() or None
        self.api.asked.append((self.command, at.path, query, told))
        return at.path.removeprefix("/apis/v2beta1/"), query, body

    def _tell(self, told: Any, code: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path, query, _ = self._hear()
        parts = path.split("/")
        if path == "healthz":
            self._tell({"multi_user": False})
        elif len(parts) == 3 and parts[2] == "versions":
            versions = [one for one in self.api.kept["versions"].values() if one["pipeline_id"] == parts[1]]
            self._tell({"pipeline_versions": _chosen(versions, query)})
        elif len(parts) == 1 and parts[0] in ID:
            self._tell({LISTS.get(parts[0], parts[0]): _chosen(list(self.api.kept[parts[0]].values()), query)})
        elif len(parts) == 2 and parts[1] in self.api.kept.get(parts[0], {}):
            self._tell(self.api.kept[parts[0]][parts[1]])
        else:
            self._tell({"error": "not found", "code": 5, "message": path}, 404)

    def do_POST(self) -> None:
        path, query, body = self._hear()
        if path == "pipelines/upload":
            made = self.api.add("pipelines", "pipeline_id", {"display_name": query["name"]})
            self._version(made["pipeline_id"], query["name"])
            self._tell(made)
        elif path == "pipelines/upload_version":
            self._tell(self._version(query["pipelineid"], query["name"]))
        elif path in ID:
            state = {"state": "SUCCEEDED"} if path == "runs" else {"status": "ENABLED"} if path == "recurringruns" else {}
            self._tell(self.api.add(path, ID[path], {**json.loads(body), **state}))
        else:
            self._tell({}, 404)

    def _version(self, pipeline: str, name: str) -> dict[str, Any]:
        return self.api.add("versions", "pipeline_version_id", {"pipeline_id": pipeline, "display_name": name})

    def do_DELETE(self) -> None:
        path, _, _ = self._hear()
        kind, _, key = path.partition("/")
        self.api.kept[kind].pop(key)
        self._tell({})


def _chosen(found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """Those with the name that the filter asks for."""
    named = re.search(r'"stringValue": "([^"]*)"', query.get("filter", ""))
    return [one for one in found if not named or one.get("display_name") == named[1]]
