"""Finds secrets in plain data: by their form, and by the name they stand under."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from mlspec.diagnostic import Route
from mlspec.regex import lazy

REFERENCE = lazy(r"\$\{[^}]{0,200}\}|\$\w+|\{\{.{0,200}?\}\}|<[^<>]{1,200}>")

FORMS = (
    ("an AWS access key", "akia asia", r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{50,}\b"),
    ("a GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack webhook", "hooks.slack.com", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    ("a Slack token", "xox", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("a Discord webhook", "/api/webhooks/", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}"),
    ("a Teams webhook", ".webhook.office.com", r"https://[\w-]+\.webhook\.office\.com/webhookb2/[\w@/-]{20,}"),
    ("a private key", "private key-----", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("a JSON Web Token", "eyj", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("a Google API key", "aiza", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("a Stripe key", "k_live_", r"\b[rs]k_live_[A-Za-z0-9]{16,}\b"),
    ("an API key", "sk-", r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}\b"),
    ("a Hugging Face token", "hf_", r"\bhf_[A-Za-z]{30,}\b"),
    ("an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", "pypi-age", r"\bpypi-AgE[A-Za-z0-9_-]{40,}"),
    ("a SendGrid key", "sg.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("a Databricks token", "dapi", r"\bdapi[0-9a-f]{32}\b"),
    ("an Azure storage key", "accountkey=", r"\bAccountKey=[A-Za-z0-9+/]{60,}={0,2}"),
    ("a signed address", "signature= sig=", r"[?&](?:X-Amz-Signature|sig|Signature)=[A-Za-z0-9%+/_-]{20,}"),
    ("a password in an address", "@", r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,200}:(?P<word>[^\s/@]{1,400})@[^\s/]"),
    (
        "a password",
        "pass pwd secret token key",
        r"(?i)(?<![\w-])(?:--?)?(?:[a-z0-9]+[_-])*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key)"
        r"\s*[=:]\s*[\"']?(?P<value>[^\s\"';&,]{4,})",
    ),
)  # fmt: skip
"""What secrets look like, the surest first: words one of which stands in each, in small letters, and the whole form.

A group that is named is the secret within the match.
"""

_FORMS = tuple((what, words.split(), lazy(pattern)) for what, words, pattern in FORMS)
_HINT = lazy(
    r"AKIA|ASIA|gh[pousr]_|github_pat|glpat|hooks\.slack|xox|discord|webhook\.office|PRIVATE KEY|eyJ|AIza|[rs]k_live|sk-|hf_|npm_"
    r"|pypi-|SG\.|dapi|AccountKey|[Ss]ig(?:nature)?=|://|[=:]"
)
"""One quick look that leaves out most texts."""

PASSWORDS = lazy(r"(?:[a-z0-9]+_)*(?:password|passwd|passphrase|pwd)")
KEYS = lazy(
    r"(?:[a-z0-9]+_)*(?:secret|token|api_?key|access_?key(?:_id)?|secret_?(?:access_)?key|private_?key|client_?secret|credentials?"
    r"|auth_?token|bearer|signing_?key|encryption_?key|routing_?key|webhook(?:_url)?|connection_?string|dsn)"
)
HARMLESS = lazy(
    r"(?i)(?:none|null|true|false|yes|no|on|off|default|optional|required|example|sample|dummy|changeme|change[-_ ]?me|redacted"
    r"|masked|x{3,}|\*+|\.+|-+|todo|tbd|test|password|secret|token|env|file|vault|your[-_ ].*|my[-_ ].*|\d{1,3})"
)
FLAGS = lazy(r"--?(?:[a-z0-9]+-)*(?:password|passwd|secret|token|api-key|access-key|secret-key)")


LONGEST = 20_000
"""Characters of a text that are looked at: no secret is longer, and a line of a megabyte must not take seconds."""

_NAMED = lazy(r"(?i)pass|pwd|secret|token|key|credential|bearer|webhook|dsn|connection")


def entropy(text: str) -> float:
    """Return the bits that a character of a text tells: about 4 in a base64 key, 3 in a word."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def secrets(data: Any) -> Iterator[tuple[Route, str]]:
    """Yield (route, what it is) of every text that holds a secret; the secret itself is told to nobody.

    A text is told once. Names of columns are no names of secrets.
    """
    waiting: list[tuple[Route, Any]] = [((), data)]
    while waiting:
        route, value = waiting.pop()
        if isinstance(value, str):
            what = _form(value) or _keyed(route, value)
            if what:
                yield route, what
        elif isinstance(value, dict):
            waiting += [((*route, key), inner) for key, inner in reversed(list(value.items()))]
        elif isinstance(value, list):
            yield from _after_flags(route, value)
            waiting += [((*route, index), inner) for index, inner in reversed(list(enumerate(value)))]


def _form(text: str) -> str | None:
    """Return what the form of a text says it holds."""
    if len(text) < 8 or not _HINT.search(text, 0, LONGEST):
        return None
    folded = text[:LONGEST].casefold()
    for what, words, pattern in _FORMS:
        if not any(word in folded for word in words):
            continue  # most patterns are never compiled
        for found in pattern.finditer(text[:LONGEST]):
            secret = next((one for one in found.groupdict().values() if one is not None), None)
            if secret is None or (_real(secret) and (what != "a password" or _random(secret) or "pass" in found[0].lower())):
                return what
    return None


def _real(secret: str) -> bool:
    return not REFERENCE.search(secret) and "${" not in secret and not HARMLESS.fullmatch(secret)


def _random(text: str) -> bool:
    """Whether a text is drawn by chance rather than written: long, without spaces, of many and different characters."""
    if len(text) < 16 or re.search(r"\s", text) or re.fullmatch(r"[a-z]+(?:[._/-][a-z]+)*", text):
        return False
    digits = sum(character.isdigit() for character in text)
    return digits >= 2 and entropy(text) >= (2.8 if re.fullmatch(r"[0-9a-fA-F-]+", text) else 3.4)


@lru_cache(4096)
def _names_a_secret(key: str) -> bool:
    return bool(_NAMED.search(key))


def _keyed(route: Route, text: str) -> str | None:
    """Return what the key says that a text is."""
    name = next((part for part in reversed(route) if isinstance(part, str)), "")
    if not _names_a_secret(name) or route[:2] == ("data", "columns") or len(text) > LONGEST or text[:1] == "/" or not _real(text):
        return None
    spoken = re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()
    if PASSWORDS.fullmatch(spoken):
        return "a password" if not re.search(r"\s", text) else None
    return "a secret" if KEYS.fullmatch(spoken) and _random(text) else None


def _after_flags(route: Route, items: list[Any]) -> Iterator[tuple[Route, str]]:
    """Yield the words of a command that follow ``--password`` and the like."""
    for index, (flag, value) in enumerate(pairwise(items), 1):
        if not (isinstance(flag, str) and isinstance(value, str) and FLAGS.fullmatch(flag)):
            continue
        if _real(value) and not value.startswith("-") and ("pass" in flag or _random(value)) and not _form(value):
            yield (*route, index), "a password"
