"""`mlspec lint`: its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlspec.commands.lint_run import CAP, TOLD, Asked, run
from mlspec.formats import NAMES


@click.command("lint")
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--env", metavar="NAME", help="Lay the overlay `environments.NAME` over the spec.")
@click.option("--set", "sets", multiple=True, metavar="ROUTE=VALUE", help="Set a value before checking.")
@click.option("--data", is_flag=True, help="Look at the rows, too, where they can be read.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules: names, codes, topics (LEA), or `all`.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules.")
@click.option("--extend-select", multiple=True, metavar="RULES", help="These rules, too.")
@click.option("--extend-ignore", multiple=True, metavar="RULES", help="The same as --ignore.")
@click.option("--level", type=click.Choice(["error", "warning", "info"]), help="Leave out what is less bad.  [default: info]")
@click.option("--fix", is_flag=True, help="Mend what can be mended without changing what the spec means.")
@click.option("--unsafe-fixes", is_flag=True, help="Mend, too, what may change what the spec means.")
@click.option("--diff", is_flag=True, help="Show what would be mended and write nothing; exit 1 if there is something.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Leave out the findings that this file holds.")
@click.option("--write-baseline", type=click.Path(path_type=Path), help="Write the findings to this file, to live with them.")
@click.option(
    "--format", "form", type=click.Choice([*TOLD, *NAMES]), default="text", show_default=True, help="How findings are told."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings to this file.")
@click.option("--statistics", is_flag=True, help="Count the findings of each rule instead of telling them.")
@click.option("--no-cap", is_flag=True, help=f"Tell more than {CAP} findings of one rule in a file.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing where all is good.")
@click.option("--stdin-filename", metavar="NAME", help="What `-`, standard input, is called and which settings it has.")
def command(**options: Any) -> int:
    """Check specs without running anything. A folder is searched for specs; `-` is standard input.

    Exit code 0 where all is good or for information only, 1 where there is an error or a warning, 2 for wrong usage, 3 for a
    bug of mlspec's. Settings stand in `pyproject.toml` under `[tool.mlspec]`. A comment `# mlspec: ignore[RULE] reason="…"
    until=2027-01-01` silences a finding on its line, or on the line below it.

    \b
    Examples:
      mlspec lint specs/*.yaml
      mlspec lint churn.yaml --env prod --format concise
      mlspec lint . --select leakage,MET003 --level warning
      mlspec lint churn.yaml --fix --diff
      mlspec lint . --write-baseline .mlspec-baseline.json
      mlspec lint . --format sarif --output mlspec.sarif
      git show HEAD:churn.yaml | mlspec lint - --stdin-filename churn.yaml
    """
    return run(Asked(**options))
