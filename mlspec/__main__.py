"""The way in: what has not changed since it was last run or found clean ends here; all else goes to the command line proper."""

import gc
import os
import sys
import time


def main() -> None:
    """Run the command line; what is known already is answered at once.

    `mlspec run SPEC` comes from its receipt when nothing has changed since it last succeeded, `mlspec lint SPEC` from what it
    found clean.
    """
    words = sys.argv[1:]
    if len(words) > 1 and words[0] == "run":
        from mlspec import receipt

        receipt.started = time.time_ns()
        told = receipt.show(words[1:])
        if told is not None:
            said, warned = told
            sys.stderr.write(warned)
            sys.stdout.write(said)
            _leave(0)
    elif len(words) > 1 and words[0] == "lint":
        from mlspec import seen

        clean = seen.show(words[1:])
        if clean is not None:
            sys.stdout.write(clean)
            _leave(0)
        if not any(word.startswith("-") or os.path.isdir(word) for word in words[1:]):
            _leave(_lint(words[1:]))
    # Compilers and libraries are a million objects that stay: looking through them again and again takes an eighth of a run
    # (measured). mypy does the same.
    gc.set_threshold(50_000, 20, 20)
    from mlspec.cli import entry

    _leave(entry())


def _lint(specs: list[str]) -> int:
    """Lint files without the command line proper: to import that takes a twentieth of a lint (measured)."""
    gc.set_threshold(200_000, 20, 20)  # one file makes 50,000 objects: looking through them is a twelfth of a lint (measured)
    try:
        from pathlib import Path

        from mlspec.commands.lint_run import Asked, run

        return run(Asked(tuple(map(Path, specs))))
    except BaseException as error:
        from mlspec.cli import failed

        return failed(error)


def _leave(code: int) -> None:
    """End the process as Python does, threads and what was registered for the end first, but without freeing each object.

    Freeing takes a tenth of a run (measured); mypy ends in this way, too.
    """
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()  # waits for threads, and tells executors that nobody shut down to end theirs
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
