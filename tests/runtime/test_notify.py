"""Alerts, sent for real to servers of this machine: what arrives, who is told what, and that no secret is in any word of ours."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from apprise.plugins import pagerduty

from mlspec import runtime
from mlspec.diagnostic import Problem

HOSTILE = "x <!channel> & \"'\n${env:HOME} {{7*7}} \\u0000 *b* [a](http://evil) é 漢 \r\nBcc: all@example.com"


class Web:
    """A server that keeps what it is sent, and answers with `code`."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.code = 200
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(web.code)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def web() -> Iterator[Web]:
    one = Web()
    yield one
    one.server.shutdown()
    one.server.server_close()


def tell(
    *channels: dict[str, Any], state: str = "failed", failed: tuple[str, ...] = ("train",), name: str = "churn"
) -> dict[str, Any]:
    params = {"channels": list(channels), "about": {"name": name}, "state": state, "failed": list(failed)}
    return runtime.run("notify", params=params)


def test_a_webhook_gets_json(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "s3cr3t-path")
    channel = {"kind": "webhook", "url": f"{web.address}/in/${{env:HOOK}}?room=a%26b&x="}
    assert tell(channel, failed=("train", "gate"))["told"] == "webhook"
    [(path, headers, body)] = web.got
    assert path == "/in/s3cr3t-path?room=a%26b&x="
    assert headers["Content-Type"] == "application/json"
    assert body == {
        "title": "churn: failed",
        "message": "The run of churn has failed at train, gate.",
        "project": "churn",
        "state": "failed",
        "failed": "train, gate",
        "severity": "warning",
    }


def test_who_is_told_of_what(web: Web) -> None:
    channels = [
        {"kind": "webhook", "url": f"{web.address}/{least}", "severity": least} for least in ("info", "warning", "critical")
    ]
    assert tell(*channels)["told"] == "webhook, webhook"
    assert sorted(path for path, _, _ in web.got) == ["/info", "/warning"]
    web.got.clear()
    assert tell(*channels, state="succeeded", failed=()) == {"told": "webhook", "severity": "info"}
    [(path, _, body)] = web.got
    assert (path, body["state"], body["failed"]) == ("/info", "succeeded", "")
    web.got.clear()
    assert tell(*channels[1:], state="succeeded", failed=())["told"] == "nobody"
    assert not web.got


def test_slack(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", f"{web.address}/services/T1/B2/abc")
    tell({"kind": "slack", "url": "${env:SLACK}", "channel": "ml"}, {"kind": "slack", "url": "${env:SLACK}"})
    text = "churn: failed\nThe run of churn has failed at train."
    assert [(path, body) for path, _, body in web.got] == [
        ("/services/T1/B2/abc", {"text": text, "channel": "#ml"}),
        ("/services/T1/B2/abc", {"text": text}),
    ]


def test_pagerduty(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, pagerduty.PagerDutyRegion.US, f"{web.address}/v2/enqueue")
    monkeypatch.setenv("ROUTING", "R0UT1NGKEY")
    tell({"kind": "pagerduty", "routing_key": "${env:ROUTING}"})
    [(_, headers, body)] = web.got
    assert (body["routing_key"], body["event_action"], body["payload"]["severity"]) == ("R0UT1NGKEY", "trigger", "error")
    assert body["payload"]["component"] == "churn"
    assert "failed at train" in body["payload"]["summary"]
    assert "R0UT1NGKEY" not in json.dumps(headers)


class Mailbox:
    """An SMTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], EmailMessage]] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=0)
        self.controller.start()
        assert self.controller.server is not None
        self.port = self.controller.server.sockets[0].getsockname()[1]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.got.append((envelope.mail_from, envelope.rcpt_tos, mail))
        return "250 OK"


class AnyPort(Controller):
    """`Controller` asks its own port whether it is up; with port 0 it has to ask the one that it was given."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    monkeypatch.setitem(globals(), "Controller", AnyPort)
    one = Mailbox()
    yield one
    one.controller.stop()


def test_mail(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{mailbox.port}?from=ml@example.com")
    tell({"kind": "email", "to": ["a@example.com", "b@example.com"], "server": "${env:MAIL}"})
    assert {one for _, to, _ in mailbox.got for one in to} == {"a@example.com", "b@example.com"}
    sender, _, mail = mailbox.got[0]
    assert sender == "ml@example.com"
    assert mail["Subject"] == "churn: failed"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "The run of churn has failed at train." in body.get_content()


def test_hostile_text_is_text(web: Web, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{mailbox.port}?from=ml@example.com")
    tell(
        {"kind": "webhook", "url": f"{web.address}/json"},
        {"kind": "slack", "url": f"{web.address}/slack"},
        {"kind": "email", "to": ["a@example.com"], "server": "${env:MAIL}"},
        name=HOSTILE,
    )
    bodies = {path: body for path, _, body in web.got}
    assert bodies["/json"]["project"] == HOSTILE
    assert "<" not in bodies["/slack"]["text"], "Slack would take <!channel> for a call of everybody"
    assert "&lt;!channel&gt; &amp;" in bodies["/slack"]["text"]
    [(_, to, mail)] = mailbox.got
    assert to == ["a@example.com"]
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("x <!channel>")


def test_what_is_refused_is_told_without_the_secret(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mlspec.run")
    web.code = 403
    monkeypatch.setenv("HOOK", "s3cr3t-path")
    monkeypatch.setenv("ROUTING", " ")
    monkeypatch.setenv("SLACK", "not-an-address-but-s3cr3t")
    monkeypatch.setenv("MAIL", "smtps://me:s3cr3t@127.0.0.1:1")
    with pytest.raises(Problem) as caught:
        tell(
            {"kind": "webhook", "url": f"{web.address}/${{env:HOOK}}"},
            {"kind": "webhook", "url": "http://127.0.0.1:9/${env:HOOK}"},
            {"kind": "slack", "url": "${env:SLACK}"},
            {"kind": "pagerduty", "routing_key": "${env:ROUTING}"},
            {"kind": "email", "to": ["a@example.com"], "server": "${env:MAIL}"},
            {"kind": "slack", "url": "${env:NOT_THERE}"},
        )
    told = str(caught.value) + caplog.text
    assert "s3cr3t" not in told
    assert "403" in told
    assert [getattr(one, "route", ()) for one in caught.value.faults] == [("pipeline", "notify", index) for index in range(6)]
    assert [getattr(one, "code", "") for one in caught.value.faults] == ["notification-failed"] * 5 + ["secret-missing"]


def test_one_that_fails_does_not_silence_the_others(web: Web) -> None:
    with pytest.raises(Problem) as caught:
        tell({"kind": "webhook", "url": "ftp://nowhere"}, {"kind": "webhook", "url": f"{web.address}/second"})
    assert len(caught.value.faults) == 1
    assert [path for path, _, _ in web.got] == ["/second"]


def test_a_function_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json\ndef tell(alert, place):\n    open(place, 'w').write(json.dumps(alert))\ndef fail(alert):\n    raise ValueError(alert['state'])\n"
    (tmp_path / "own_alerts.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    tell({"kind": "custom", "entrypoint": "own_alerts:tell", "params": {"place": str(tmp_path / "told")}})
    assert json.loads((tmp_path / "told").read_text())["failed"] == ["train"]
    with pytest.raises(Problem, match="ValueError: failed"):
        tell({"kind": "custom", "entrypoint": "own_alerts:fail"})
    sys.modules.pop("own_alerts", None)
