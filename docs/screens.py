"""Takes the pictures of docs/screens.md: the churn spec, run on each orchestrator, in its own web pages.

    make envs
    uv run --no-project --with playwright --with pillow python -m docs.screens [prefect] [zenml] [airflow]

It compiles the spec, starts a server on a free port of this machine, runs the project there, takes the pictures with Chromium,
and stops the server. Nothing leaves the machine. No test runs it: each new version of an orchestrator moves its buttons.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "churn.yaml"
IMAGES = ROOT / "docs" / "images"

# No sandbox: Chromium has none for root. The rest keeps it from talking to anybody but our server.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
QUIET = {"DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
QUIET |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
LIMIT = 200_000  # bytes that a picture may have
SETTLED = 2500  # milliseconds after which what is drawn has come to rest


def main(names: Sequence[str]) -> int:
    """Take the pictures of the orchestrators that are named, else of all."""
    unknown = [name for name in names if name not in TAKES]
    if unknown:
        return _stop(f"{unknown[0]} is not one of {', '.join(TAKES)}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return _stop("there is no Chromium on the PATH")
    try:
        import_module("PIL.Image")
        sync_playwright = import_module("playwright.sync_api").sync_playwright
    except ImportError as error:
        return _stop(f"{error.name} is not installed: see `python -m pydoc docs.screens`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name in names or TAKES:
            with tempfile.TemporaryDirectory(prefix="mlspec-", ignore_cleanup_errors=True) as top:
                page = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce").new_page()
                TAKES[name](page, Path(top))
        browser.close()
    return 0


def prefect(page: Any, top: Path) -> None:
    """The run's timeline, the verdict on each requirement, the metrics."""
    python, port = _python("prefect"), _free_port()
    url = f"http://127.0.0.1:{port}"
    told = {"PREFECT_HOME": str(top / "home"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    told["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"
    words = [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    project = _compiled("prefect", top)
    with _server(words, told, f"{url}/api/health", top):
        _run([python, "run.py", f"--data-root={SPEC.parent}"], {**told, "PREFECT_API_URL": f"{url}/api"}, project)
        run = _ask(f"{url}/api/flow_runs/filter", {})[0]["id"]
        shown = {one["key"]: one["latest_id"] for one in _ask(f"{url}/api/artifacts/latest/filter", {})}
        page.goto(f"{url}/runs/flow-run/{run}")
        page.get_by_text("Task Runs", exact=True).first.click()
        _picture(page, "prefect-run", 900)
        page.goto(f"{url}/artifacts/artifact/{shown['churn-decide-decision']}")
        _picture(page, "prefect-decision", 600)
        page.goto(f"{url}/artifacts/artifact/{shown['churn-evaluate-metrics']}")
        _picture(page, "prefect-metrics", 800)


def zenml(page: Any, top: Path) -> None:
    """The run's steps, and the report as ZenML shows an artifact."""
    python, port = _python("zenml-server"), _free_port()
    url = f"http://127.0.0.1:{port}"
    both = {"AUTO_OPEN_DASHBOARD": "false", "ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOCAL_STORES_PATH": str(top / "stores")}
    server = both | {
        "ZENML_CONFIG_PATH": str(top / "server"), "ZENML_SERVER": "true", "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH", "ZENML_SERVER_AUTO_ACTIVATE": "True", "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
    }  # fmt: skip
    client = both | {
        "ZENML_CONFIG_PATH": str(top / "client"), "ZENML_STORE_PASSWORD": "", "ZENML_STORE_TYPE": "rest", "ZENML_STORE_URL": url,
        "ZENML_STORE_USERNAME": "default",
    }  # fmt: skip
    words = [python, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1", "--port", str(port)]
    with _server(words, server, f"{url}/health", top):
        _run([python, "deploy.py", f"--data-root={SPEC.parent}"], client, _compiled("zenml", top))
        # Whom the dashboard does not know it asks who they are, on a page of its own.
        survey = {"primary_use": "Other", "usage_reason": "exploring", "awareness_channels": ["other"]}
        known = {"full_name": "Engineer", "email": "engineer@example.com", "email_opted_in": False, "user_metadata": survey}
        _ask(f"{url}/api/v1/current-user", known, "PUT")
        run = _ask(f"{url}/api/v1/runs")["items"][0]["id"]
        page.goto(f"{url}/projects/default/runs/{run}")
        page.get_by_label("Dismiss local-server notice").click()
        page.get_by_label("Timeline view").click()
        _picture(page, "zenml-run", 700)
        page.get_by_label("DAG view").click()
        page.wait_for_timeout(SETTLED)
        page.get_by_label("Fit view").click()  # what is out of sight is not drawn
        node = page.locator('.react-flow__node[data-id="report/outputs/step_output/churn_report_page"] button')
        node.first.dispatch_event("click")
        page.get_by_role("tab", name="Visualization", exact=True).last.click()
        page.wait_for_timeout(SETTLED)
        if page.get_by_role("button", name="Load Preview").count():
            page.get_by_role("button", name="Load Preview").click()
        _picture(page, "zenml-report", 700)


def airflow(page: Any, top: Path) -> None:
    """The run's tasks by stage, and the log of the task that decides."""
    python, port = _python("airflow"), _free_port()
    url = f"http://127.0.0.1:{port}"
    project = _compiled("airflow", top)
    settings = {
        "API__BASE_URL": url, "API__HOST": "127.0.0.1", "API__PORT": str(port), "API__WORKERS": "1",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False", "CORE__DAGS_FOLDER": str(project / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/", "CORE__LOAD_EXAMPLES": "False", "CORE__PARALLELISM": "2",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True", "USAGE_DATA_COLLECTION__ENABLED": "False",
    }  # fmt: skip
    told = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    # `airflow standalone` starts its parts by the name of the program.
    told |= {"AIRFLOW_HOME": str(top / "home"), "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
    with _server([python, "-m", "airflow", "standalone"], told, f"{url}/api/v2/version", top):
        dag = f"{url}/api/v2/dags/churn"
        _wait(lambda: _ask(f"{url}/api/v2/dags")["total_entries"] == 1, "Airflow does not find the DAG")
        conf = {"data_root": str(SPEC.parent), "registry_root": str(top / "registry"), "workspace": str(top / "workspace")}
        run = _ask(f"{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        _wait(lambda: _ask(f"{dag}/dagRuns/{run}")["state"] in ("success", "failed"), "the DAG's run does not end")
        page.set_viewport_size({"width": 1400, "height": 600})
        page.goto(f"{url}/dags/churn/runs/{run}")
        page.get_by_label("Show Graph").click()
        page.get_by_label("Expand all task groups").click()
        page.wait_for_timeout(SETTLED)
        page.get_by_label("Collapse Details Panel").click()
        page.wait_for_timeout(SETTLED)
        page.get_by_label("Fit View").click()
        _picture(page, "airflow-graph", 600)
        page.goto(f"{url}/dags/churn/runs/{run}/tasks/decide")
        page.wait_for_timeout(SETTLED)
        page.get_by_label("Show Grid").click()
        _picture(page, "airflow-decide", 600)


TAKES: dict[str, Callable[[Any, Path], None]] = {"prefect": prefect, "zenml": zenml, "airflow": airflow}


def _picture(page: Any, name: str, height: int) -> None:
    """Keep the upper part of a page, in as many colours as it may have bytes for."""
    image = import_module("PIL.Image")
    page.wait_for_timeout(SETTLED)
    with contextlib.suppress(Exception):  # a page that polls is never idle
        page.wait_for_load_state("networkidle", timeout=5000)
    taken = page.screenshot(animations="disabled", clip={"x": 0, "y": 0, "width": 1400, "height": height})
    shown = image.open(io.BytesIO(taken)).convert("RGB")
    for colours in (256, 128, 64, 32):
        kept = io.BytesIO()
        shown.quantize(colours, dither=image.Dither.NONE).save(kept, "PNG", optimize=True)
        if kept.tell() < LIMIT:
            break
    (IMAGES / f"{name}.png").write_bytes(kept.getvalue())
    sys.stdout.write(f"{name}.png: {kept.tell():,} bytes\n")


def _compiled(backend: str, top: Path) -> Path:
    program = shutil.which("mlspec", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}") or "mlspec"
    _run([program, "compile", str(SPEC), "--backend", backend, "-o", str(top / "project")], {}, top)
    return top / "project"


def _python(environment: str) -> str:
    found = ROOT / ".venvs" / environment / "bin" / "python"
    if not found.exists():
        sys.exit(_stop(f"{found.relative_to(ROOT)} is not there: see `python -m pydoc docs.screens`"))
    return str(found)


def _run(words: Sequence[str], told: Mapping[str, str], place: Path) -> None:
    ended = subprocess.run(words, cwd=place, env={**os.environ, **QUIET, **told}, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(_stop(f"{' '.join(words[:2])} failed\n{(ended.stdout + ended.stderr)[-3000:]}"))


@contextlib.contextmanager
def _server(words: Sequence[str], told: Mapping[str, str], address: str, top: Path) -> Iterator[None]:
    """Start a server in a session of its own; when this ends, nothing of it is left."""
    log, environment = top / "server.log", {**os.environ, **QUIET, **told}
    with log.open("wb") as file:
        process = subprocess.Popen(words, cwd=top, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        _wait(lambda: process.poll() is not None or _ask(address) is not None, "the server does not answer")
        if process.poll() is not None:
            sys.exit(_stop(f"the server ended\n{log.read_text(errors='replace')[-3000:]}"))
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ask(address: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data, head, method=method)  # noqa: S310
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        text = answer.read().decode()
    return json.loads(text) if text[:1] in ("{", "[") else text


def _wait(done: Callable[[], bool], why: str) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if done():
                return
        time.sleep(1)
    sys.exit(_stop(why))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _stop(why: str) -> int:
    sys.stderr.write(f"docs.screens: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
