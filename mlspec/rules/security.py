"""Rules about security: secrets in the spec, open services, plain connections, code and images from strangers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.diagnostic import Change, Fix, Route
from mlspec.regex import lazy
from mlspec.rules._case import Case
from mlspec.rules._rule import ERROR, INFO, WARNING, Hit, rule
from mlspec.rules._secrets import LONGEST, REFERENCE, secrets

FALLBACK = lazy(r"\$\{(?:env:|secret:)?(?P<name>[A-Za-z_][\w./-]{0,100}?):?[-=](?P<value>[^}]{1,200})\}")
SECRET_NAME = lazy(r"(?i)pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|private_?key|credential|dsn")
HOME = lazy(r"(?:^|[\s=:\"'(])(?:file://)?(?P<home>/(?:home|Users)/[^/\s]+/|/root/|~/|[A-Za-z]:\\Users\\[^\\\s]+\\)")
PICKLE = lazy(r"\.(?:pkl|pickle|p|joblib|dill|cloudpickle|pt|pth)(?:\.(?:gz|bz2|xz|zst))?(?:[?#].*)?$")
PLAIN = lazy(r"\b(?P<scheme>http|ftp|ws|redis|amqp|mqtt)://(?P<host>\[[^\]]*\]|[^\s/:?#@]+(?=[\s/:?#]|$))")
HERE = lazy(
    r"(?i)localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\]|10\.[\d.]+|192\.168\.[\d.]+|172\.(?:1[6-9]|2\d|3[01])\.[\d.]+|[\w-]+|.*\.(?:local|internal|svc|lan|test|localdomain|cluster\.local)"
)
"""Hosts that a plain connection reaches without leaving the machine, the cluster or the house. A name without a dot is one."""

UNCHECKED = lazy(
    r"\bsslmode=(?:disable|allow|prefer)\b|--no-check-certificate\b|--insecure\b|\bcurl\b.{0,200}\s-k\b|--trusted-host\b"
    r"|\bverify(?:_ssl|_certs)?\s*=\s*(?i:false|0|no)\b|\bssl_verify\s*=\s*(?i:false)\b|\bGIT_SSL_NO_VERIFY=|\bNODE_TLS_REJECT_UNAUTHORIZED=0"
)
UNCHECKED_KEYS = {
    "verify": False,
    "verify_ssl": False,
    "ssl_verify": False,
    "verify_certs": False,
    "insecure": True,
    "tls_insecure": True,
}
STRANGERS = ("public", "purchased", "crowdsourced")


@rule("SEC001", ERROR)
def secret_in_spec(case: Case) -> Iterator[Hit]:
    """A password, key or token is written into the spec.

    Secrets are known by their form (keys of AWS, GitHub, Slack and others, private keys, passwords in addresses) or by the key
    that they stand under, where they are long and look drawn by chance.

    ## Why this is bad
    Whoever reads the repository, a log, a packaged model or a bundle has the secret, for as long as its history is kept.

    ## Bad
    ```yaml
    x-warehouse: postgresql://reader:Sommer-2026!@db.example.com/orders
    ```

    ## Good
    ```yaml
    x-warehouse: postgresql://reader:${env:DB_PASSWORD}@db.example.com/orders
    ```

    ## Fix safety
    None: the secret must be put where it belongs, and exchanged for a new one, by a person.

    ## Source
    The guide, "Security: Data Privacy: Vault, KMS"; CWE-798, https://cwe.mitre.org/data/definitions/798.html.
    """
    for route, what in secrets(dict(case.raw)):
        yield Hit(
            f"{what} stands in the spec",
            route,
            help="write ${secret:name/key} or ${env:NAME}; and exchange it: who has seen this file has it",
        )


@rule("SEC002", ERROR)
def secret_as_fallback(case: Case) -> Iterator[Hit]:
    """A reference to a secret holds the secret as what to use when the reference leads nowhere.

    ## Why this is bad
    The fallback is the secret itself, in the file; and where the real one is missing nobody notices.

    ## Bad
    ```yaml
    x-database: "${DB_PASSWORD:-Sommer2026}"
    ```

    ## Good
    ```yaml
    x-database: "${env:DB_PASSWORD}"
    ```

    ## Fix safety
    None: without its fallback the spec needs the variable to be there.

    ## Source
    The guide, "Security: Data Privacy"; CWE-798, https://cwe.mitre.org/data/definitions/798.html.
    """
    for route, text in case.texts():
        for found in FALLBACK.finditer(text, 0, LONGEST) if "${" in text else ():
            if SECRET_NAME.search(found["name"]):
                yield Hit(
                    f"the fallback of `{found['name']}` is a secret that stands in the spec",
                    route,
                    help=f"write ${{env:{re.sub(r'[^A-Za-z0-9_]', '_', found['name']).upper()}}}: without it a run stops",
                )


@rule("SEC003", (INFO, WARNING, WARNING))
def plain_connection(case: Case) -> Iterator[Hit]:
    """Data, metrics or alerts go to another machine without encryption.

    Addresses of this machine, of the cluster and of private networks are let be.

    ## Why this is bad
    Everybody on the way can read and change what is sent: rows, tokens, and the model that is fetched.

    ## Bad
    ```yaml
    tracking: {kind: mlflow, uri: "http://mlflow.example.com"}
    ```

    ## Good
    ```yaml
    tracking: {kind: mlflow, uri: "https://mlflow.example.com"}
    ```

    ## Fix safety
    Unsafe: the address begins with `https`; the server must speak it.

    ## Source
    The guide, "Security: Data Privacy: encryption"; CWE-319, https://cwe.mitre.org/data/definitions/319.html.
    """
    if not case.says("://"):
        return
    for section in ("tracking", "registry", "monitoring", "data", "requirements", "steps", "model", "deployment", "exports"):
        for route, text in case.texts(section):
            if route[-1] in ("description", "license", "evidence", "guidelines") or "://" not in text:
                continue
            found = PLAIN.search(text, 0, LONGEST)
            if found is None or HERE.fullmatch(found["host"]) or "$" in found["host"]:
                continue
            secure = {"http": "https", "ftp": "sftp", "ws": "wss", "redis": "rediss", "amqp": "amqps", "mqtt": "mqtts"}[
                found["scheme"]
            ]
            better = text[: found.start()] + secure + text[found.end("scheme") :]
            fix = Fix(f"use {secure}", (Change("set", route, better),), safe=False) if secure == "https" else None
            yield Hit(f"`{found[0]}` is reached without encryption", route, help=f"write `{secure}://{found['host']}`", fix=fix)


@rule("SEC004", (None, INFO, WARNING), reads="deployment")
def open_network(case: Case) -> Iterator[Hit]:
    """Every network may connect to the service, and a token is all that protects it.

    ## Why this is bad
    A fault in the service or a token that leaks is then within reach of the whole internet.

    ## Bad
    ```yaml
    deployment: {security: {authentication: token, network: open}}
    ```

    ## Good
    ```yaml
    deployment: {security: {authentication: token, network: restricted}}
    ```

    ## Fix safety
    Unsafe: callers from elsewhere cannot connect any more.

    ## Source
    The guide, "Security: Infrastructure: network security, security groups".
    """
    security = case.project.deployment.security if case.project.deployment else None
    if security and security.network == "open" and security.authentication == "token":
        route: Route = ("deployment", "security", "network")
        yield Hit(
            "every network may connect",
            route,
            help="write `restricted` and let the gateway in; a public service is better off with `mutual_tls` or a gateway",
            fix=Fix("restrict the network", (Change("set", route, "restricted"),), safe=False),
        )


@rule("SEC005", (None, WARNING, WARNING), reads="deployment")
def scan_switched_off(case: Case) -> Iterator[Hit]:
    """Dependencies and images are not scanned for known faults.

    ## Why this is bad
    A model server holds hundreds of packages; some of them have a published fault at any time.

    ## Bad
    ```yaml
    deployment: {security: {scan: false}}
    ```

    ## Good
    ```yaml
    deployment: {security: {scan: true}}
    ```

    ## Fix safety
    Unsafe: a build may stop at what the scan finds.

    ## Source
    The guide, "Audit Process: Security Assessment: vulnerability scanning".
    """
    security = case.project.deployment.security if case.project.deployment else None
    if security and not security.scan:
        route: Route = ("deployment", "security", "scan")
        fix = Fix("scan", (Change("set", route, True),), safe=False)
        yield Hit("nothing looks for known faults in packages and images", route, help="write `scan: true`", fix=fix)


@rule("SEC006", (WARNING, WARNING, ERROR))
def pickle_from_strangers(case: Case) -> Iterator[Hit]:
    """A pickle is read that comes from outside: from a web address, or from a source that is public, bought or crowdsourced.

    ## Why this is bad
    Reading a pickle runs whatever code its maker put into it, with your rights.

    ## Bad
    ```yaml
    data:
      sources: {customers: null, bought: {kind: custom, entrypoint: "my.code:read", params: {path: old.pkl}, origin: purchased}}
    ```

    ## Good
    ```yaml
    data:
      sources: {customers: null, bought: {kind: custom, entrypoint: "my.code:read", params: {path: old.csv}, origin: purchased}}
    ```

    ## Fix safety
    None: the file must be had in another format, such as Parquet, ONNX or safetensors.

    ## Source
    The guide, "Security: Model Security: input validation"; CWE-502, https://cwe.mitre.org/data/definitions/502.html; the warning
    at the top of https://docs.python.org/3/library/pickle.html.
    """
    for route, text in case.texts():
        if len(text) > 1000 or not PICKLE.search(text) or re.search(r"\s", text):
            continue
        origin = case.written(*route[:3], "origin") if route[:2] == ("data", "sources") else None
        if origin in STRANGERS:
            reason = f"and the source is {origin}"
        elif re.match(r"https?://", text):
            reason = "from a web address"
        else:
            continue
        yield Hit(
            f"`{text.rsplit('/', 1)[-1][:60]}` is a pickle, {reason}: reading it runs its maker's code",
            route,
            help="have it as Parquet (tables), ONNX or safetensors (models)",
        )


@rule("SEC007", (WARNING, WARNING, ERROR))
def query_from_pieces(case: Case) -> Iterator[Hit]:
    """A query has holes that are to be filled with text.

    ## Why this is bad
    Nothing fills them here, so the database gets them as they are; and code that does fill them lets a value change the query.

    ## Bad
    ```yaml
    data: {sources: {customers: null, orders: {kind: sql, connection: "${secret:d/dsn}", query: "select * from o where d > {d}"}}}
    ```

    ## Good
    ```yaml
    data: {sources: {customers: null, orders: {kind: sql, connection: "${secret:dwh/dsn}", query: "select * from recent"}}}
    ```

    ## Fix safety
    None: only you know what belongs there.

    ## Source
    The guide, "Security: Model Security: input validation"; CWE-89, https://cwe.mitre.org/data/definitions/89.html.
    """
    for route, text in case.texts():
        if route[-1] not in ("query", "sql"):
            continue
        bare = re.sub(r"'(?:[^']|'')*'", lambda found: found[0] if HOLE.fullmatch(found[0].strip("'")) else "''", text[:LONGEST])
        found = HOLE.search(bare)
        if found:
            yield Hit(
                f"`{found[0]}` is a hole in the query, and nothing fills it",
                route,
                help="write the value itself, or a view in the database that holds the condition",
            )


HOLE = lazy(r"\$?\{[A-Za-z_][\w.:/]{0,200}\}|\{\}|%\(\w+\)s|%s|\{\{[^}]{0,200}\}\}")


@rule("SEC008", (None, WARNING, WARNING), reads="steps")
def image_that_changes(case: Case) -> Iterator[Hit]:
    """A step runs whatever image has the tag `latest` that day.

    ## Why this is bad
    Somebody pushes, and the next run executes other code, with the same spec and without a trace.

    ## Bad
    ```yaml
    steps: {score: {kind: container, image: "registry.example.com/score:latest", command: [score]}}
    ```

    ## Good
    ```yaml
    steps: {score: {kind: container, image: "registry.example.com/score:1.4.2", command: [score]}}
    ```

    ## Fix safety
    None: only you know which version is meant.

    ## Source
    The guide, "Development Environment: Containers: reproducible"; https://docs.docker.com/build/building/best-practices.
    """
    for name, step in case.project.steps.items():
        image = getattr(step, "image", None)
        if image is None or "@" in image or REFERENCE.search(image):
            continue
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if tag in ("", "latest", "main", "master", "dev", "nightly", "stable", "edge"):
            what = f"the tag `{tag}`" if tag else "no tag, which means `latest`"
            yield Hit(
                f"`{image}` has {what}: other code runs when somebody pushes",
                ("steps", name, "image"),
                help="write a version and best its digest: `image:1.4.2@sha256:…`",
            )


@rule("SEC009", WARNING)
def path_in_a_home_folder(case: Case) -> Iterator[Hit]:
    """A path leads into somebody's home folder.

    ## Why this is bad
    It is there on one machine, for one user; anywhere else the run stops, or finds another file.

    ## Bad
    ```yaml
    data: {labels: {guidelines: /home/anna/labels.md}}
    ```

    ## Good
    ```yaml
    data: {labels: {guidelines: docs/labels.md}}
    ```

    ## Fix safety
    None: the file must be moved beside the spec, or below the data root.

    ## Source
    The guide, "Reproducibility Problems: version control for data, code, and models"; the language: paths are relative to the
    data root.
    """
    if not case.says("/home/", "/root/", "~/", "users"):
        return
    for route, text in case.texts():
        found = HOME.search(text, 0, LONGEST)
        if found:
            yield Hit(
                f"`{found['home']}` is there on one machine only",
                route,
                help="put the file beside the spec or below the data root, and write its relative path",
            )


@rule("SEC010", (WARNING, WARNING, ERROR))
def certificate_not_checked(case: Case) -> Iterator[Hit]:
    """A connection does not check whom it talks to.

    ## Why this is bad
    Encryption without a check of the certificate keeps a secret with whoever answers first.

    ## Bad
    ```yaml
    steps: {fetch: {kind: container, image: "fetch:1.0", command: [wget, --no-check-certificate, "https://example.com/rates"]}}
    ```

    ## Good
    ```yaml
    steps: {fetch: {kind: container, image: "fetch:1.0", command: [wget, "https://example.com/rates"]}}
    ```

    ## Fix safety
    None: the machine may need the certificate of your own authority first.

    ## Source
    The guide, "Security: Infrastructure: network security"; CWE-295, https://cwe.mitre.org/data/definitions/295.html.
    """
    suspect = case.says("sslmode=", "--no-check", "--insecure", "curl", "--trusted", "verify", "node_tls")
    for route, text in case.texts() if suspect else ():
        found = UNCHECKED.search(text, 0, LONGEST)
        if found:
            yield Hit(
                f"`{found[0].strip()[:40]}` talks to whoever answers",
                route,
                help="take it out; add your own authority's certificate",
            )
    for route, key, value in _settings(case.raw):
        if key in UNCHECKED_KEYS and value is UNCHECKED_KEYS[key] and "params" in route:
            yield Hit(
                f"`{key}: {str(value).lower()}` talks to whoever answers",
                route,
                help="take it out; add your own authority's certificate",
            )


def _settings(data: Any, route: Route = ()) -> Iterator[tuple[Route, str, bool]]:
    """Yield (route, key, value) of every truth value."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        if isinstance(value, bool):
            yield (*route, key), str(key), value
        elif isinstance(value, dict | list):
            yield from _settings(value, (*route, key))
