"""mlspec: one YAML spec, checked, run here, and compiled to the orchestrator you use."""

import os as _os

__version__ = "0.1.0"

# In a checkout `backends/`, `templates/` and `requirements/` stand beside this package; a wheel carries them inside it.
# `mlspec.backends` resolves in both, because a checkout's root is also searched for our submodules.
_root = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
if _os.path.isfile(_os.path.join(_root, "pyproject.toml")) and _os.path.isdir(_os.path.join(_root, "backends")):
    __path__.append(_root)
del _root, _os
