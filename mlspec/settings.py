"""Which rules count, and how much: the policy that the command line and `pyproject.toml [tool.mlspec]` set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspec.diagnostic import Diagnostic, Finding, Severity, Span

if TYPE_CHECKING:
    from mlspec.rules import Rule

EXACT = 9  # how narrowly a name or a whole code selects; `all` is 0, a topic 3, a prefix its length
LEVELS = {str(one): one for one in Severity}
TABLE = re.compile(r"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*[\"']?mlspec[\"']?[ \t]*[.\]]", re.MULTILINE)


class UnknownSelectorError(ValueError):
    """A word that selects no rule; `meant` is the nearest that does."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.meant = suggestion(word)
        super().__init__(f"there is no rule {word!r}" + (f"; did you mean {self.meant}?" if self.meant else ""))


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line or a `pyproject.toml` says of which rules count. A `select` forgets what was said before."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.select is not None or bool(self.ignore or self.extend_select)


@dataclass(frozen=True)
class Policy:
    """Which rules count, and how much. `home` is the `pyproject.toml` that says so, `problems` what is wrong in it."""

    selections: tuple[Selection, ...] = ()
    severities: Mapping[str, Severity | None] = field(default_factory=dict)
    per_file: tuple[tuple[str, tuple[str, ...]], ...] = ()
    level: Severity = Severity.INFO
    baseline: Path | None = None
    home: Path | None = None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def usual(self) -> bool:
        """Whether every rule counts as it says itself."""
        return not (self.selections or self.severities or self.per_file)

    def severity(self, rule: Rule, phase: str, file: str) -> Severity | None:
        """Return how bad a rule's fault is in a file of a project in a phase; None where it does not count."""
        if self.usual:
            return rule.severity(phase)
        on, named = self._selected(rule)
        if not on or self._ignored_in(rule, file):
            return None
        return self._graded(rule, rule.severity(phase) or (Severity.INFO if named else None))

    def of_language(self, one: Diagnostic) -> Diagnostic | None:
        """Return what the reader and the models found as the policy wants it told; None where it is not to be told.

        An error can be lowered, never hidden: to switch it off is to lower it to information.
        """
        rule = _catalogue().get(one.finding.code)
        if rule is None or self.usual:
            return one
        severity = self._graded(rule, one.finding.severity)
        wrong = one.finding.severity is Severity.ERROR
        if severity is None or self._ignored_in(rule, one.file) or not self._selected(rule, errors_stay=wrong)[0]:
            if not wrong:
                return None
            severity = Severity.INFO
        return one if severity is one.finding.severity else replace(one, finding=replace(one.finding, severity=severity))

    def _selected(self, rule: Rule, *, errors_stay: bool = False) -> tuple[bool, bool]:
        """Return whether a rule counts, and whether it was asked for by its own name or code."""
        on, named = True, False
        for said in self.selections:
            wanted = _closest(rule, (*(said.select or ()), *said.extend_select))
            refused = _closest(rule, said.ignore)
            if said.select is not None:
                on, named = errors_stay, False
            if wanted > refused:
                on, named = True, wanted == EXACT
            elif refused >= 0:
                on, named = False, False
        return on, named

    def _graded(self, rule: Rule, severity: Severity | None) -> Severity | None:
        graded = max(((_matches(rule, word), word) for word in self.severities), default=(-1, ""))
        return self.severities[graded[1]] if graded[0] >= 0 else severity

    def _ignored_in(self, rule: Rule, file: str) -> bool:
        if not self.per_file or self.home is None:
            return False
        path = os.path.relpath(file, self.home.parent).replace(os.sep, "/")
        name = path.rpartition("/")[2]
        return any(
            _closest(rule, words) >= 0 and (fnmatch(path, glob) or ("/" not in glob and fnmatch(name, glob)))
            for glob, words in self.per_file
        )


def _closest(rule: Rule, words: Iterable[str]) -> int:
    return max((_matches(rule, word) for word in words), default=-1)


def _matches(rule: Rule, word: str) -> int:
    """Return how narrowly a word means this rule, -1 where it means others."""
    if word.lower() == rule.name or word.upper() == rule.code:
        return EXACT
    if word == "all":
        return 0
    if word.lower() == rule.topic:
        return 3
    return len(word) if len(word) >= 3 and rule.code.startswith(word.upper()) else -1


def _catalogue() -> Mapping[str, Rule]:
    from mlspec.rules import catalogue

    return catalogue()


def means(word: str) -> bool:
    """Whether a word selects any rule."""
    return any(_matches(rule, word) >= 0 for rule in _catalogue().values())


def suggestion(word: str, *, exact: bool = False) -> str:
    """Return the selector that somebody meant who wrote `word`; with `exact`, a name or a whole code only."""
    from mlspec.spelling import guess

    rules = _catalogue().values()
    names = [one.name for one in rules]
    codes = [one.code for one in rules]
    if not exact:
        names += sorted({one.topic for one in rules})
        codes = [*sorted({code[:3] for code in codes}), *codes]
    meant = guess(word.lower(), names, {}) or guess(word.upper(), codes, {})
    return meant.word if meant else ""


def selection(
    select: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    extend_select: Sequence[str] = (),
    extend_ignore: Sequence[str] = (),
) -> Selection:
    """Return a selection of what the command line says, words separated by commas. Raises UnknownSelectorError."""
    said = Selection(_words(select) if select else None, _words([*ignore, *extend_ignore]), _words(extend_select))
    for word in (*(said.select or ()), *said.ignore, *said.extend_select):
        if not means(word):
            raise UnknownSelectorError(word)
    return said


def _words(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for text in texts for word in re.split(r"[,\s]+", text) if word)


def policy(spec: Path, said: Selection | None = None, *, level: Severity | None = None) -> Policy:
    """Return the policy for a spec: what the nearest `pyproject.toml` with `[tool.mlspec]` says, then the command line."""
    found = nearest(spec)
    base = Policy()
    if found is not None:
        stat = found.stat()
        base = _read(found, stat.st_mtime_ns, stat.st_size)
    selections = (*base.selections, said) if said else base.selections
    return replace(base, selections=selections, level=level or base.level)


def candidates(spec: Path) -> list[Path]:
    """Return where settings for a spec may stand, nearest first, whether there are any or not."""
    folder = Path.cwd() / spec.parent
    return [one / "pyproject.toml" for one in (folder, *folder.parents)]


def nearest(spec: Path) -> Path | None:
    """Return the `pyproject.toml` that a spec is under and that has something to say."""
    for path in candidates(spec):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if TABLE.search(text):
            return path
    return None


@lru_cache(maxsize=64)
def _read(path: Path, time: int, size: int) -> Policy:
    """A file that has changed is another one."""
    return _Reader(path).policy()


class _Reader:
    """Reads one `pyproject.toml`, and says of each fault on which line it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.problems: list[Diagnostic] = []

    def policy(self) -> Policy:
        table = self._table()
        known = {"select", "ignore", "extend-select", "extend-ignore", "severity", "per-file-ignores", "baseline", "level"}
        for key in table:
            if key not in known:
                self._unknown(key, known, f"[tool.mlspec] has no setting `{key}`")
        select = self._selectors(table, "select") if "select" in table else None
        ignore = (*self._selectors(table, "ignore"), *self._selectors(table, "extend-ignore"))
        said = Selection(select, ignore, self._selectors(table, "extend-select"))
        baseline = self._text(table, "baseline")
        return Policy(
            (said,) if said else (),
            self._severities(self._mapping(table, "severity")),
            self._per_file(self._mapping(table, "per-file-ignores")),
            self._level(self._text(table, "level")),
            self.path.parent / baseline if baseline else None,
            self.path,
            tuple(self.problems),
        )

    def _table(self) -> dict[str, Any]:
        import tomllib

        try:
            table = tomllib.loads(self.text).get("tool", {}).get("mlspec", {})
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"at line (\d+), column (\d+)", str(error))
            line, column = (int(place[1]), int(place[2])) if place else (max(self.text.count("\n"), 1), 1)
            said = re.sub(r" \(at .*\)$", "", str(error))
            self._report("bad-settings", f"this is not TOML: {said}", Span(line, column, line, column + 1))
            return {}
        return table if isinstance(table, dict) else {}

    def _report(self, code: str, message: str, span: Span, advice: str = "") -> None:
        self.problems.append(Diagnostic(Finding(code, message, (), Severity.WARNING, advice), self.name, span))

    def _unknown(self, word: str, words: Iterable[str], message: str) -> None:
        from mlspec.spelling import guess

        meant = guess(word, sorted(words), {})
        self._report(
            "unknown-setting",
            message,
            self._place(word),
            f"did you mean `{meant.word}`?" if meant else f"the settings are {', '.join(sorted(words))}",
        )

    def _place(self, word: str) -> Span:
        """Find a word, a key or a quoted value, in our tables; what stands in comments does not count."""
        ours = False
        top = Span(1, 1, 1, 1)
        pattern = re.compile(rf"(?<![\w.-])(?:\"{re.escape(word)}\"|'{re.escape(word)}'|{re.escape(word)})(?![\w.-])")
        for number, line in enumerate(self.text.split("\n"), 1):
            if re.match(r"\s*\[", line) and "=" not in line:
                header = bool(TABLE.match(line))
                if header and top.line == 1:
                    top = Span(number, 1, number, len(line.rstrip()) + 1)
                ours = header or (ours and not re.match(r"\s*\[[\w\s.\"'-]+\]\s*(#.*)?$", line))
            found = pattern.search(line) if ours and not line.lstrip().startswith("#") else None
            if found:
                return Span(number, found.start() + 1, number, found.end() + 1)
        return top

    def _wrong(self, key: str, wanted: str) -> None:
        self._report("bad-setting", f"`{key}` in [tool.mlspec] is {wanted}", self._place(key))

    def _selectors(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        return self._words(key, table.get(key, []), self._place(key))

    def _words(self, key: str, value: Any, place: Span) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            self._report("bad-setting", f"`{key}` in [tool.mlspec] is a list of rules", place, 'write it like ["LEA", "MET003"]')
            return ()
        return tuple(word for word in words if self._meant(word))

    def _meant(self, word: str) -> bool:
        if means(word):
            return True
        meant = suggestion(word)
        advice = f"did you mean `{meant}`?" if meant else "`mlspec rules` lists the rules"
        self._report("unknown-rule", f"there is no rule `{word}`", self._place(word), advice)
        return False

    def _mapping(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if isinstance(value, dict):
            return value
        self._wrong(key, "a table")
        return {}

    def _text(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key, "")
        if isinstance(value, str):
            return value
        self._wrong(key, "a text")
        return ""

    def _severities(self, table: Mapping[str, Any]) -> Mapping[str, Severity | None]:
        found: dict[str, Severity | None] = {}
        for word, value in table.items():
            if not self._meant(word):
                continue
            if value in LEVELS:
                found[word] = LEVELS[value]
            elif value == "off" or value is False:
                found[word] = None
            else:
                advice = "write error, warning, info or off"
                self._report("bad-setting", f"`{value}` is no severity", self._place(word), advice)
        return found

    def _per_file(self, table: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((glob, self._words(glob, words, self._place(glob))) for glob, words in table.items())

    def _level(self, text: str) -> Severity:
        if text in LEVELS:
            return LEVELS[text]
        if text:
            self._report("bad-setting", f"`{text}` is no level", self._place(text), "write error, warning or info")
        return Severity.INFO
