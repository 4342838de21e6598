"""What `mlspec lint` does once its arguments are known. Without click: to import that takes a twentieth of a lint (measured)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec import stream
from mlspec.diagnostic import Diagnostic, Problem, Severity

if TYPE_CHECKING:
    from mlspec.lint import Opened
    from mlspec.settings import Policy, Selection
    from mlspec.spec.project import Project

TOLD = ("text", "concise", "json")
CAP = 10
STDIN = "<stdin>"
MANY = 20  # files, from which on a terminal is told how far it is


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    specs: tuple[Path, ...]
    env: str | None = None
    sets: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    extend_ignore: tuple[str, ...] = ()
    level: str | None = None
    form: str = "text"
    as_json: bool = False
    output: Path | None = None
    statistics: bool = False
    quiet: bool = False
    no_cap: bool = False
    data: bool = False
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    stdin_filename: str | None = None
    baseline: Path | None = None
    write_baseline: Path | None = None

    @property
    def format(self) -> str:
        return "json" if self.as_json else self.form

    @property
    def plain(self) -> bool:
        """Whether nothing was asked for but the files: what is then found clean is remembered."""
        return replace(self, specs=()) == Asked(())


def run(asked: Asked) -> int:
    """Check what is asked for, tell what was found, and return the exit code."""
    _refuse_odd(asked)
    run = _Run(asked, _selection(asked), list(files(asked.specs)))
    run.check()
    if asked.diff:
        return run.show_diff()
    if asked.write_baseline:
        return run.write_baseline(asked.write_baseline)
    return run.tell()


def _selection(asked: Asked) -> Selection:
    from mlspec.settings import UnknownSelectorError, selection

    try:
        return selection(asked.select, asked.ignore, asked.extend_select, asked.extend_ignore)
    except UnknownSelectorError as error:
        raise _usage(f"{error}\n`mlspec rules` lists the rules.") from None


def _refuse_odd(asked: Asked) -> None:
    if (asked.fix or asked.unsafe_fixes or asked.diff) and Path("-") in asked.specs:
        raise _usage("--fix, --unsafe-fixes and --diff want a file: standard input cannot be written to.")
    if asked.stdin_filename and Path("-") not in asked.specs:
        raise _usage("--stdin-filename wants `-` among the specs.")


def files(specs: Iterable[Path]) -> Iterator[Path]:
    """Yield the files to look at, each once: those named, and the specs in the folders named."""
    seen: set[Path] = set()
    for spec in specs:
        inside = list(_specs_in(spec)) if spec.is_dir() else [spec]
        if not inside:
            raise _usage(f"no spec in {spec}: a spec is a .yaml or .yml file with a line `mlspec: 1`.")
        for file in inside:
            if file not in seen:
                seen.add(file)
                yield file


def _specs_in(folder: Path) -> Iterator[Path]:
    """Yield the specs below a folder, in order. Hidden folders are left alone."""
    import re
    from os import walk

    marked = re.compile(rb"^(?:\xef\xbb\xbf)?mlspec[ \t]*:", re.MULTILINE)
    for place, folders, files in walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix in (".yaml", ".yml") and path.is_file():
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if marked.search(text):
                    yield path


@dataclass(eq=False)
class _Run:
    """One call of lint: what it checks, and what it has found so far."""

    asked: Asked
    said: Selection
    files: list[Path]
    found: list[Diagnostic] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    pages: dict[Path | None, tuple[list[Diagnostic], list[str]]] = field(default_factory=dict)
    diffs: list[str] = field(default_factory=list)
    policies: dict[Path, Policy] = field(default_factory=dict)  # by folder
    mended: int = 0
    withheld: int = 0

    # checking

    def check(self) -> None:
        """Check every file; what a baseline holds is taken out at the end."""
        from mlspec import seen

        files = self.files
        if self.asked.plain:
            known = seen.clean([str(file) for file in files])
            files = [file for file in files if str(file) not in known]
            self.names += sorted(known)
        clean = {}
        try:
            for number, file in enumerate(files, 1):
                self._progress(number, len(files))
                bases = self._check(file)
                if bases is not None:
                    clean[str(file)] = bases
        finally:  # whoever interrupts many files does not check the first of them again
            if clean and self.asked.plain:
                seen.remember(clean)
        if not self.asked.write_baseline:
            self._settle()
        else:
            self.found += [one for found, _ in self.pages.values() for one in found]

    def _progress(self, number: int, total: int) -> None:
        if total < MANY or self.asked.quiet or not stream.terminal(sys.stderr):
            return
        _say(f"\rchecking {number} of {total}" if number < total else "\r\x1b[K", nl=False, err=True)

    def _check(self, file: Path) -> list[str] | None:
        """Check one file; return the files that it extends if it is clean and nothing but these decides so."""
        from mlspec import settings

        name = Path(self.asked.stdin_filename or STDIN) if file == Path("-") else file
        if name.parent not in self.policies:  # to read the settings anew for each file is a tenth of its time (measured)
            level = Severity(self.asked.level) if self.asked.level else None
            self.policies[name.parent] = settings.policy(name, self.said, level=level)
        policy = self.policies[name.parent]
        found, names = self.pages.setdefault(self.asked.baseline or policy.baseline, ([], []))
        names.append(str(name))
        self.names.append(str(name))
        try:
            opened = self._opened(file, name, policy)
        except Problem as problem:
            found += [fault for fault in problem.faults if isinstance(fault, Diagnostic)]
            return None
        self.texts |= opened.layered.texts
        if policy.home and policy.problems:
            self.texts[policy.problems[0].file] = policy.home.read_text(encoding="utf-8", errors="replace")
        fresh = [one for one in opened.diagnostics if one.finding.severity.rank <= policy.level.rank]
        wants = self.asked.statistics or self.asked.format in ("text", "json", "sarif", "rdjson")
        found += [_with_patch(one, opened) if wants else one for one in fresh]
        marked = any("mlspec:" in text and "ignore" in text for text in list(opened.layered.texts.values())[1:])
        beside = [str(name.parent / one) for one in _beside(opened.project)] if opened.project else []
        return [*opened.layered.files[1:], *beside] if not fresh and not marked else None

    def _opened(self, file: Path, name: Path, policy: Policy) -> Opened:
        from mlspec import lint

        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if file == Path("-") else None

        def again(texts: Mapping[str, str]) -> Opened:
            asked = self.asked
            return lint.check(name, text=text, texts=texts, env=asked.env, sets=asked.sets, policy=policy, data=asked.data)

        if not (self.asked.fix or self.asked.unsafe_fixes or self.asked.diff):
            return again({})
        from mlspec import repair

        repaired = repair.repair(name, unsafe=self.asked.unsafe_fixes, check=again)
        self.mended += len(repaired.applied)
        self.withheld += len(repaired.withheld)
        if self.asked.diff:
            self.diffs.append(repaired.diff())
        else:
            repaired.write()
        return repaired.opened

    def show_diff(self) -> int:
        """Show what would be mended; findings that cannot be are for lint without --diff."""
        faults = [one for one in self.found if one.span is None]  # files that cannot be read
        if faults:
            _say(self._text(faults), err=True)
        _say("".join(self.diffs).encode("utf-8", "backslashreplace").decode(), nl=False)
        self._say_mended()
        return int(bool(faults) or any(self.diffs))

    def _say_mended(self) -> None:
        if self.asked.quiet or not (self.asked.fix or self.asked.unsafe_fixes or self.asked.diff):
            return
        would = "would be mended" if self.asked.diff else "mended"
        told = f"{self.mended} finding{'s' * (self.mended != 1)} {would}" if self.mended else f"nothing {would}"
        _say(told + (f"; {self.withheld} can be with --unsafe-fixes" if self.withheld else ""), err=True)

    # baseline

    def _settle(self) -> None:
        for path, (found, names) in self.pages.items():
            if path is None:
                self.found += found
                continue
            from mlspec import baseline

            fresh, gone = baseline.settle(found, baseline.read(path), names)
            self.found += fresh + (gone if self.asked.level in (None, "info") else [])
            if gone:
                self.texts[str(path)] = path.read_text(encoding="utf-8")

    def write_baseline(self, path: Path) -> int:
        from mlspec import baseline
        from mlspec.rules import halts

        before = baseline.read(path) if path.is_file() else None
        text = baseline.written(self.found, path, before, self.names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        left = [one for one in self.found if halts(one.finding)]
        count = len(self.found) - len(left)
        _say(f"{count} finding{'s' * (count != 1)} written to {path}")
        if left:
            _say(self._text(left))
        return int(bool(left))

    # telling

    def tell(self) -> int:
        """Tell what was found, and return the exit code."""
        from mlspec import display

        found = display.ordered(self.found)
        failed = any(one.finding.severity is not Severity.INFO for one in found)
        told = self._statistics(found) if self.asked.statistics else self._told(found)
        self._print(told, found)
        self._say_mended()
        return int(failed)

    def _print(self, told: str, found: list[Diagnostic]) -> None:
        from mlspec import display

        told = told.encode("utf-8", "backslashreplace").decode()
        if self.asked.output:
            self.asked.output.parent.mkdir(parents=True, exist_ok=True)
            self.asked.output.write_text(told + "\n" if told else "", encoding="utf-8")
            if not self.asked.quiet:
                _say(f"{display.summary(found) or 'no findings'} written to {self.asked.output}")
        elif told:
            _say(told)

    def _told(self, found: list[Diagnostic]) -> str:
        from mlspec import display

        kind = self.asked.format
        if kind == "text":
            return self._text(found) if found or self.asked.quiet else self._good()
        if kind == "concise":
            return display.concise(found)
        from mlspec import formats

        if kind == "json":
            return json.dumps(display.as_json(found, formats.manual), indent=1, ensure_ascii=False)
        return formats.render(kind, formats.Report(self.names, found, self.texts))

    def _good(self) -> str:
        return f"{len(self.names)} spec{'s' * (len(self.names) > 1)} checked: all good"

    def _text(self, found: list[Diagnostic]) -> str:
        from mlspec import display, formats

        color = stream.colored(sys.stdout) and not self.asked.output
        cap = None if self.asked.no_cap else CAP
        told = display.text(found, self.texts, color=color, width=_width(), manual=formats.manual, cap=cap)
        safe = sum(one.patch.safe for one in found if one.patch)
        unsafe = sum(not one.patch.safe for one in found if one.patch)
        if safe or unsafe:
            ways = [f"{count} with {option}" for count, option in ((safe, "--fix"), (unsafe, "--unsafe-fixes")) if count]
            told += "; can be mended: " + ", ".join(ways)
        return told

    def _statistics(self, found: list[Diagnostic]) -> str:
        from mlspec import formats

        counts = Counter(one.finding.code for one in found)
        mended = Counter(one.finding.code for one in found if one.patch)
        codes = {one.finding.code: formats.manual(one)[0] for one in found}
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
        if self.asked.format == "json":
            told = [{"count": count, "rule": codes[name], "code": name, "fixable": mended[name]} for name, count in rows]
            return json.dumps(told, indent=1)
        if not rows:
            return "" if self.asked.quiet else self._good()
        return "\n".join(
            f"{count:>5}  {codes[name]:<6}  {name}" + (f"  ({mended[name]} can be mended)" if mended[name] else "")
            for name, count in rows
        )


MAX_MENDED = 64 * 1024  # characters: each fix of a text reads it anew


def _usage(message: str) -> Exception:
    """Return what is raised where the command line asks for what cannot be."""
    from click import UsageError

    return UsageError(message)


def _say(text: str, *, nl: bool = True, err: bool = False) -> None:
    told = sys.stderr if err else sys.stdout
    told.write(f"{text}\n" if nl else text)
    told.flush()


def _beside(project: Project) -> list[str]:
    """Return the files that a spec names and that were looked at with it, relative to it."""
    table = [project.for_each.table] if project.for_each and project.for_each.table else []
    return [*(one.patch for one in project.pipeline.patches), *table]


def _with_patch(one: Diagnostic, opened: Opened) -> Diagnostic:
    """Place the fix of a finding in the text, where it has one and that can be done."""
    from mlspec import repair

    if len(opened.layered.texts.get(one.file, "")) > MAX_MENDED:
        return one
    patch = repair.placed(one, opened.layered)
    return replace(one, patch=patch) if patch is not one.patch else one


def _width() -> int | None:
    """Return how wide to write: as the terminal is, where there is one."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else None
