"""The command line: click commands that import what they need when they run. The only module that prints or exits."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec import __version__, stream
from mlspec.diagnostic import BUGS, Diagnostic, Finding, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlspec.lint import Opened

DISK = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST})
"""What a disk says that is full, or not ours to write on: no bug of ours."""

SHOWN = (
    ("metrics", "metrics.json"),
    ("decision", "decision.json"),
    ("summary", "summary.html"),
    ("report", "report.html"),
    ("exports", "edge.html"),
    ("model", "package"),
)
"""What a run shows at its end: the word for it, and the file."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def entry() -> int:
    """Run the command line; return 0 clean, 1 findings or a failed run, 2 wrong usage, 3 a bug of ours. Interrupted, it exits."""
    try:
        return cli.main(standalone_mode=False) or 0
    except BaseException as error:
        return failed(error)


def failed(error: BaseException) -> int:
    """Tell what ended a command, and return the exit code."""
    try:
        raise error
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return 2
    except Problem as problem:
        show(problem.faults)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept, the same command goes on from there", err=True)
        sys.stdout.flush()
        os._exit(130)  # a step in a thread cannot be stopped otherwise
    except BrokenPipeError:
        os._exit(1)
    except OSError as wrong:
        if wrong.errno not in DISK:
            return _crashed(wrong)
        click.echo(f"error: cannot write {wrong.filename or 'a file'}: {wrong.strerror}", err=True)
        return 1
    except Exception as bug:
        return _crashed(bug)


def _crashed(error: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="mlspec-crash-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"mlspec {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n{traceback.format_exc()}")
    click.echo(f"mlspec has a bug: {type(error).__name__}: {error}\nPlease report it with {file.name} at {BUGS}", err=True)
    return 3


def show(faults: Iterable[Finding | Diagnostic], texts: dict[str, str] | None = None) -> None:
    """Print faults to standard error: with a caret where their place is known."""
    from mlspec import display

    faults = list(faults)
    placed = [fault for fault in faults if isinstance(fault, Diagnostic)]
    if placed:
        sources = texts if texts is not None else _texts(placed)
        color = stream.colored(sys.stderr)
        click.echo(display.text(placed, sources, color=color, width=None), err=True, color=color)
    for fault in faults:
        if isinstance(fault, Finding):
            click.echo(f"{fault.severity}: {fault}", err=True)


def serious(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return what a run or a compilation tells: not what is for information only, which lint tells."""
    return [one for one in diagnostics if one.finding.severity is not Severity.INFO]


def _texts(diagnostics: Iterable[Diagnostic]) -> dict[str, str]:
    texts = {}
    for name in {one.file for one in diagnostics}:
        try:
            texts[name] = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return texts


def _layered(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of every command that reads a spec."""
    command = click.option(
        "--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value, such as --set splits.seed=3."
    )(command)
    command = click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")(command)
    return click.argument("spec", type=click.Path(path_type=Path))(command)


def _open(spec: Path, env: str | None, sets: tuple[str, ...]) -> Opened:
    from mlspec import build

    return build.open_spec(spec, env=env, sets=sets)


class _Commands(click.Group):
    """Commands, some of them with a module of their own, which is imported when the command is asked for."""

    lazy = ("approve", "bench", "compile", "devices", "diff", "fmt", "graph", "lint", "lsp", "optimize", "plan", "rules")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            from importlib import import_module

            command: click.Command = import_module(f"mlspec.commands.{cmd_name}").command
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings=CONTEXT)
@click.version_option(__version__, message="mlspec %(version)s")
def cli() -> None:
    """One YAML spec for a machine-learning project: checked, run here, compiled to your orchestrator.

    \b
    Examples:
      mlspec lint specs/churn.yaml
      mlspec run specs/churn.yaml
      mlspec compile specs/churn.yaml --backend kfp -o build/kfp
    """


@cli.command()
@_layered
@click.option("--backend", metavar="NAME", help="Compile for this orchestrator and run that here (kfp, prefect, zenml).")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where run folders go.")
@click.option("--force", multiple=True, metavar="STEP", help="Run this step again though nothing changed; `all` for every step.")
@click.option("--workers", type=click.IntRange(1), help="How many steps may run at once. [default: the number of cores]")
@click.option("--wait-approvals", is_flag=True, help="Wait for a person's answer where a step asks for it (`mlspec approve`).")
@click.option("--quiet", "-q", is_flag=True, help="Say only how it ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the finished run, and nothing else.")
def run(
    spec: Path,
    env: str | None,
    sets: tuple[str, ...],
    backend: str | None,
    runs: Path,
    force: tuple[str, ...],
    workers: int | None,
    wait_approvals: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run a spec's pipeline. Finished steps are kept: a second run does only what changed, an interrupted one goes on.

    Exit code 1 where a step failed or a gate was missed; the message names the number, the target and the spec's line.

    \b
    Examples:
      mlspec run specs/churn.yaml
      mlspec run specs/churn.yaml --set model.params.C=0.5
      mlspec run specs/churn.yaml --backend prefect
    """
    from mlspec import build

    opened = _open(spec, env, sets)
    if opened.errors:
        raise Problem(*opened.errors)
    pipeline = build.pipeline_of(opened)
    if not (quiet or as_json):
        show(serious(opened.diagnostics), opened.layered.texts)
    if backend:
        return _run_on(opened, pipeline, backend, runs, as_json)
    return _run_here(opened, pipeline, runs, force, workers, wait_approvals, quiet, as_json)


def _run_here(
    opened: Opened,
    pipeline: Any,
    runs: Path,
    force: tuple[str, ...],
    workers: int | None,
    wait_approvals: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    from mlspec import local, progress, receipt

    known = [step.id for step in pipeline.steps]
    for name in set(force) - {"all", *known}:
        raise click.BadParameter(f"there is no step {name!r}; the steps are {', '.join(known)}", param_hint="--force")
    if not (quiet or as_json):
        click.echo(f"{pipeline.name}: {len(known)} steps")
    shown = progress.choose(
        pipeline, terminal=stream.terminal(sys.stdout) and stream.colored(sys.stdout), quiet=quiet or as_json, say=click.echo
    )
    told = local.run(
        opened,
        pipeline,
        shown,
        runs=runs,
        force=known if "all" in force else force,
        workers=workers,
        wait_approvals=wait_approvals,
    )
    result = told.result
    faults = local.faults(opened, result)
    if as_json:
        from mlspec import display

        steps = {
            name: {"state": one.state, "why": one.why, "seconds": round(one.seconds, 3)} for name, one in result.steps.items()
        }
        paths = {name: str(path) for name, path in sorted(told.shown.items())}
        outcome = {
            "state": "succeeded" if result.succeeded else "failed",
            "folder": str(told.folder),
            "steps": steps,
            "shown": paths,
        }
        click.echo(json.dumps(outcome | {"diagnostics": display.as_json(faults)}, indent=1, ensure_ascii=False))
        return int(not result.succeeded)
    if faults:
        show(faults, opened.layered.texts)
    said = _closing(pipeline.name, told)
    click.echo(said, nl=False)
    if result.succeeded:
        warned = "" if quiet else _warned(opened)
        again = _closing(pipeline.name, told, again=True)
        receipt.write(sys.argv[2:], *local.watched(opened, pipeline, told), again, warned, until=local.stale_at(pipeline, told))
    return int(not result.succeeded)


def _warned(opened: Opened) -> str:
    from mlspec import display

    told = serious(opened.diagnostics)
    return display.text(told, opened.layered.texts) + "\n" if told else ""


def _met(shown: dict[str, Path]) -> str:
    """Say how many of the requirements were met, from the decision that a run shows."""
    if "summary.json" in shown:
        counted = json.loads(shown["summary.json"].read_text(encoding="utf-8"))["summary"]
        return f"  {'met':<9} {counted['passed']} of {counted['passed'] + counted['failed']} models meet their requirements\n"
    if "decision.json" not in shown:
        return ""
    verdicts = [one["verdict"] for one in json.loads(shown["decision.json"].read_text(encoding="utf-8"))["requirements"]]
    return f"  {'met':<9} {verdicts.count('pass')} of {len(verdicts)} requirements\n"


def _closing(name: str, told: Any, *, again: bool = False) -> str:
    result = told.result
    ran = len(result.ran())
    if again:
        first = f"{name}: nothing to do, all {len(result.steps) - len(result.exit)} steps are up to date\n"
    else:
        count = {
            state: sum(one.state == state for one in result.steps.values())
            for state in ("succeeded", "cached", "failed", "skipped")
        }
        told_counts = ", ".join(f"{number} {state}" for state, number in count.items() if number)
        first = (
            f"{name}: {'succeeded' if result.succeeded else 'WAITS for a yes' if result.pending else 'FAILED'} ({told_counts})\n"
            if ran
            else f"{name}: nothing to do, every step is up to date\n"
        )
    shown = [f"  {label:<9} {told.shown[file]}\n" for label, file in SHOWN if file in told.shown]
    return first + _met(told.shown) + f"  {'folder':<9} {told.folder}\n" + "".join(shown)


def _run_on(opened: Opened, pipeline: Any, backend: str, runs: Path, as_json: bool) -> int:
    from mlspec import build, remote

    show(build.lacks(opened, pipeline, backend), opened.layered.texts)
    told = remote.run(opened, pipeline, backend, runs=runs)
    outcome = told.outcome
    if as_json:
        paths = {name: str(path) for name, path in sorted(told.shown.items())}
        click.echo(
            json.dumps(
                {"state": outcome.state, "folder": str(told.folder), "steps": dict(outcome.steps), "shown": paths}, indent=1
            )
        )
    else:
        failed = [name for name, state in outcome.steps.items() if state == "failed"]
        ended = f"FAILED at {', '.join(failed)}" if failed else outcome.state
        click.echo(f"{pipeline.name} on {backend}: {ended}")
        click.echo(_met(dict(told.shown)), nl=False)
        click.echo(f"  {'folder':<9} {told.folder}")
        for label, file in SHOWN:
            if file in told.shown:
                click.echo(f"  {label:<9} {told.shown[file]}")
    if told.faults:
        show(told.faults, opened.layered.texts)
    return int(outcome.state != "succeeded")


@cli.command()
@click.argument("word")
def explain(word: str) -> int:
    """Say what a key of the spec means and who chose its default, what a rule is about, or what a term of the field means.

    \b
    Examples:
      mlspec explain splits.ratios
      mlspec explain target-among-features
      mlspec explain STA003
      mlspec explain "concept drift"
    """
    from mlspec import manual

    told = manual.explain(word)
    if told is None:
        meant = manual.suggestion(word)
        help_text = f"did you mean `{meant}`? " * bool(meant) + "docs/spec.md lists every key, docs/rules.md every rule"
        raise Problem(Finding("unknown-key", f"there is no key, rule or term {word!r}", help=help_text))
    click.echo(told)
    return 0


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the language, for editors (yaml-language-server) and other tools."""
    from mlspec import schema as schemas

    click.echo(json.dumps(schemas.build(), indent=1, ensure_ascii=False))


@cli.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
def predict(package: Path, data: Path) -> None:
    """Predict for each row of a CSV or Parquet file with a packaged model; CSV goes to standard output.

    \b
    Examples:
      mlspec predict runs/churn/run_001/package new-customers.csv > scores.csv
    """
    from mlspec.runtime import predictor

    click.echo(predictor.predict_file(package, data), nl=False)


@cli.command()
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=Path(), show_default="here", help="The directory for the wheel."
)
def wheel(output: Path) -> None:
    """Write mlspec itself as a wheel, for images that cannot fetch it from a package index.

    \b
    Examples:
      mlspec wheel -o build/kfp/wheels
    """
    from mlspec import wheelhouse

    click.echo(str(wheelhouse.build(output)))


@cli.command()
def backends() -> None:
    """List the orchestrators that `compile` and `run --backend` know, plug-ins with the distribution they come from."""
    from mlspec import backend
    from mlspec.diagnostic import Problem

    for name in backend.names():
        try:
            title = backend.load(name).TITLE
        except Problem as problem:
            title = str(problem)
        origin = backend.origin(name)
        click.echo(f"{name:<10} {title}" + (f" ({origin})" if origin != "mlspec" else ""))
