"""Tell people how the run ended, over the channels that the spec names: Slack, mail, PagerDuty, a webhook, a function."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mlspec.diagnostic import Finding, Problem
from mlspec.runtime import secret

LOG = logging.getLogger("mlspec.run")
RANK = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Message:
    """How a run ended, in words and as data."""

    project: str
    state: str
    failed: tuple[str, ...]

    @property
    def severity(self) -> str:
        return "info" if self.state == "succeeded" else "warning"

    @property
    def title(self) -> str:
        return f"{self.project}: {self.state}"

    @property
    def body(self) -> str:
        if self.state == "succeeded":
            return f"The run of {self.project} has succeeded."
        return f"The run of {self.project} has failed" + (f" at {', '.join(self.failed)}." if self.failed else ".")

    @property
    def plain(self) -> dict[str, str]:
        return {"project": self.project, "state": self.state, "failed": ", ".join(self.failed), "severity": self.severity}


def run(inputs: Mapping[str, Path], outputs: Mapping[str, Path], params: Mapping[str, Any]) -> dict[str, Any]:
    """Tell each channel whose severity is not above the message's: a failure is a warning, a success is an info.

    `params` are `channels` (members of `mlspec.alerts` as plain data), `about` (the project's words), `state` ("succeeded" or
    "failed") and `failed` (ids of steps), which the runner adds. Each channel is tried; raises one Problem
    "notification-failed" with a finding for each that did not take the message. No value of a secret is logged or told.
    """
    about = params.get("about") or {}
    state = "succeeded" if params.get("state") == "succeeded" else "failed"
    message = Message(str(about.get("name") or "the pipeline"), state, tuple(map(str, params.get("failed") or ())))
    told, faults = [], []
    for index, channel in enumerate(params["channels"]):
        kind, least = str(channel["kind"]), str(channel.get("severity") or "warning")
        if RANK.index(message.severity) < RANK.index(least):
            continue
        try:
            CHANNELS[kind](channel, message)
            told.append(kind)
        except Problem as problem:
            faults += [
                Finding(one.code, one.message, one.route or ("pipeline", "notify", index), one.severity, one.help)
                for one in problem.faults
                if isinstance(one, Finding)
            ]
    if faults:
        raise Problem(*faults)
    return {"told": ", ".join(told) or "nobody", "severity": message.severity}


def external(params: Mapping[str, Any], file_digest: Callable[[Path], str]) -> None:
    """Telling is what it does, and what it tells is news: there is nothing to use again."""


def _slack(channel: Mapping[str, Any], message: Message) -> None:
    """POST Slack's JSON, `text` and `channel`, which Mattermost and others take as well.

    Apprise's own channel for Slack turns `<!channel>` in a text, escaped or not, into a call of everybody (seen in 1.13).
    """
    address = secret.fill(channel["url"])
    text = f"{message.title}\n{message.body}"
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # all that Slack asks to be escaped
        text = text.replace(sign, safe)
    payload = {**dict.fromkeys(("version", "title", "message", "attachments", "type"), ""), "text": text}
    if channel.get("channel"):
        payload["channel"] = f"#{channel['channel'].lstrip('#')}"
    _send("slack", {**_web("slack", address), "payload": payload}, message, (address,))


def _webhook(channel: Mapping[str, Any], message: Message) -> None:
    """POST JSON: `title` and `message` for people; `project`, `state`, `severity`, `failed` (ids with commas) for machines."""
    address = secret.fill(channel["url"])
    payload = {**dict.fromkeys(("version", "attachments", "type"), ""), **message.plain}
    _send("webhook", {**_web("webhook", address), "payload": payload}, message, (address,))


def _pagerduty(channel: Mapping[str, Any], message: Message) -> None:
    key = secret.fill(channel["routing_key"])
    # Events of version 2 are known by their routing key alone; the header that Apprise also sends needs some text.
    about = {"source": "mlspec", "component": message.project, "include_image": False, "details": message.plain}
    severity = "info" if message.severity == "info" else "error"
    asked = {"schema": "pagerduty", "apikey": "events-v2", "integrationkey": key, "severity": severity, **about}
    _send("pagerduty", asked, message, (key,))


def _email(channel: Mapping[str, Any], message: Message) -> None:
    """The server is `smtps://user:password@host:465`, or `smtp://…:587`, which starts TLS before it says a password.

    Who it comes from is `?from=address`, else the user where that is an address, else `mlspec@` the host.
    """
    address = secret.fill(channel["server"])
    at = _split("email", address, ("smtp", "smtps"))
    user, password = unquote(at.username or ""), unquote(at.password or "")
    sender = dict(parse_qsl(at.query)).get("from") or (user if "@" in user else f"mlspec@{at.hostname}")
    mode = "ssl" if at.scheme == "smtps" else "starttls" if user else "insecure"
    asked: dict[str, Any] = {
        "schema": "mailto" if mode == "insecure" else "mailtos",
        "host": at.hostname,
        "smtp_host": at.hostname,
        "port": at.port,
        "secure_mode": mode,
        "from_addr": sender,
        "targets": list(channel["to"]),
        "format": "text",
    }
    if user:
        asked |= {"user": user, "password": password}
    _send("email", asked, message, (address, password))


def _custom(channel: Mapping[str, Any], message: Message) -> None:
    """Call the user's function as `function(alert={title, message, project, state, failed, severity}, **params)`."""
    from mlspec.entrypoint import blame, load

    entrypoint = channel["entrypoint"]
    function = load(entrypoint)
    alert = {"title": message.title, "message": message.body, **message.plain, "failed": list(message.failed)}
    with blame(entrypoint):
        function(alert=alert, **dict(channel.get("params") or {}))


CHANNELS: dict[str, Callable[[Mapping[str, Any], Message], None]] = {
    "slack": _slack,
    "webhook": _webhook,
    "pagerduty": _pagerduty,
    "email": _email,
    "custom": _custom,
}


def _web(kind: str, address: str) -> dict[str, Any]:
    """The parts of an HTTP address, as Apprise's JSON channel takes them."""
    at = _split(kind, address, ("http", "https"))
    told: dict[str, Any] = {
        "schema": "jsons" if at.scheme == "https" else "json",
        "host": f"[{at.hostname}]" if ":" in str(at.hostname) else at.hostname,
        "fullpath": at.path or "/",
        "params": dict(parse_qsl(at.query, keep_blank_values=True)),
    }
    if at.port:
        told["port"] = at.port
    if at.username:
        told |= {"user": unquote(at.username), "password": unquote(at.password or "")}
    return told


def _split(kind: str, address: str, schemes: tuple[str, ...]) -> Any:
    try:
        at = urlsplit(address)
        port_is_a_number = at.port is None or at.port > 0
    except ValueError:
        at, port_is_a_number = urlsplit(""), False
    if at.scheme not in schemes or not at.hostname or not port_is_a_number:
        wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise _refused(kind, f"its address is none; write {wanted} into the secret")
    return at


def _send(kind: str, asked: Mapping[str, Any], message: Message, secrets: tuple[str, ...]) -> None:
    """Send with Apprise; raise Problem with what it says, without the secrets."""
    try:
        from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
    except ImportError:
        raise _refused(kind, "the library apprise is not installed; pip install 'mlspec[local]'") from None
    types = {"info": NotifyType.SUCCESS, "warning": NotifyType.FAILURE}
    asset = AppriseAsset(app_id="mlspec", app_desc="mlspec", app_url="", async_mode=False)
    with _heard() as said:
        channel = Apprise.instantiate(dict(asked), asset=asset)
        sent = channel is not None and channel.notify(
            body=message.body, title=message.title, notify_type=types[message.severity], body_format=NotifyFormat.TEXT
        )
    if not sent:
        text = "; ".join(said) or "the message was not taken"
        for one in sorted({*secrets, *_pieces(secrets)}, key=len, reverse=True):
            text = text.replace(one, "…")
        raise _refused(kind, text)
    LOG.info("%s was told: %s", kind, message.title)


def _pieces(secrets: tuple[str, ...]) -> Iterator[str]:
    """Yield the parts of an address that may be quoted alone."""
    for one in secrets:
        yield from (part for part in one.replace("?", "/").replace("&", "/").split("/") if len(part) > 7)


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what Apprise warns of while this holds. It goes nowhere else: it may quote a secret."""
    said: list[str] = []

    class _Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                said.append(record.getMessage())

    logger, ear = logging.getLogger("apprise"), _Ear()
    passed_on, logger.propagate = logger.propagate, False
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = passed_on


def _refused(kind: str, text: str) -> Problem:
    return Problem(Finding("notification-failed", f"{kind}: {text}"))
