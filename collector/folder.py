"""The folder is the registry: a format, sink or method is found by listing its package's folder.

A module counts when it offers `build`; the seam's own file and packages' inner files do not, so no list is edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from collector.config import ConfigError, Document


def names_in(package: ModuleType) -> list[str]:
    """What the folder of `package` offers, sorted."""
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if hasattr(_module(package, name), "build"))


def find(package: ModuleType, name: str, document: Document, where: str) -> ModuleType:
    """The module `name` of the folder. Raises ConfigError naming `where` and what there is."""
    offered = names_in(package)
    if name not in offered:
        what = package.__name__.rsplit(".", 1)[-1].rstrip("s")
        raise ConfigError(f"{document.path}: `{where}`: no {what} {name!r}; there is {', '.join(offered)}")
    return _module(package, name)


def _module(package: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.{name}")
