"""The user's own tasks: functions without arguments, in any Python file, that return a Proxy."""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from proxies import GROUP
from proxies.data import Split
from proxies.manifest import sealed
from proxies.places import Place, TaskError
from proxies.proxy import ROLES, Buffers, Proxy
from proxies.train import fill


def function_of(place: Place) -> str:
    """The name of the function that makes the proxy: as given, else `proxy`, else the only one that returns one."""
    found = _functions(_module(place.path))
    if place.function:
        if place.function in found:
            return place.function
        raise TaskError(f"{place.path} has no function '{place.function}' without arguments; {_listed(found)}.")
    annotated = [name for name, function in found.items() if _returns_a_proxy(function)]
    for names in (["proxy"] if "proxy" in found else [], annotated, list(found)):
        if len(names) == 1:
            return names[0]
    raise TaskError(f"{place.path} has no function 'proxy'; {_listed(annotated or found)}; say which as FILE.py:NAME.")


def opened(place: Place) -> Proxy:
    """The proxy of a function in a file, tried for one step; TaskError with file and line for what fails there.

    Its name is that of the place, so that any process finds it again.
    """
    function = function_of(place)
    return _tried(_functions(_module(place.path))[function], place.path, str(replace(place, function=function)))


def installed(name: str) -> Proxy:
    """The proxy of an entry point's function, likewise."""
    try:
        [*_, point] = entry_points(group=GROUP, name=name)
        function = point.load()
        path = Path(inspect.getfile(function))
    except Exception as error:
        raise TaskError(f"the entry point '{name}' cannot be loaded: {type(error).__name__}: {error}.") from error
    return _tried(function, path, name)


def _tried(make: Callable[[], Any], path: Path, name: str) -> Proxy:
    """What a function of a file makes, under a name by which any process finds it, tried for one step."""
    function = f"{path}:{getattr(make, '__name__', name)}"
    with _blamed(path):
        proxy = make()
    if not isinstance(proxy, Proxy):
        kind = type(proxy).__name__
        raise TaskError(f"{function} returns a value of type {kind}, not a Proxy; see from_module.")
    for fault in _of_record(proxy):
        raise TaskError(f"{function} {fault}.")
    proxy = replace(proxy, name=name)
    with (
        _blamed(path, f"{function.removeprefix(str(path))} cannot be trained"),
        warnings.catch_warnings(record=True) as given,
    ):
        warnings.simplefilter("always")
        losses = _try(proxy)
    if shared := sorted(sealed() & set(proxy.data().sources)):
        raise TaskError(
            f"{function} has rows of a held-out task ({', '.join(shared)}), which nothing else may open; "
            "take other data."
        )
    for fault in _of_start(proxy, *losses):
        raise TaskError(f"{function} {fault}.")
    for warning in given:  # only of a task that can be had
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return proxy


def _of_record(proxy: Proxy) -> Iterator[str]:
    """What no training could be made of or compared by, each as a sentence without its subject."""
    if not 0 < proxy.floor < proxy.ceiling < math.inf:
        yield (
            f"has the floor {proxy.floor:g} and the ceiling {proxy.ceiling:g}; losses are compared by their logarithm, "
            "so 0 < floor < ceiling, and a loss that may be 0 or less wants a constant added"
        )
    if proxy.steps < 1 or proxy.batch < 1:
        yield f"has {proxy.steps} steps of {proxy.batch} rows; a training has at least one step, and a step one row"
    if not 0 <= proxy.warmup <= 1:
        yield f"has the warm-up {proxy.warmup:g}, which is a part of the steps between 0 and 1"
    roles, shapes = proxy.layout.roles, proxy.layout.shapes
    if not shapes:
        yield "has no parameters to train"
    if len(roles) != len(shapes) or not set(roles) <= set(ROLES):
        yield (
            f"has the roles {', '.join(roles)} for {len(shapes)} parameters; each has one role, "
            f"{', '.join(ROLES[:-1])} or {ROLES[-1]}"
        )


def _of_start(proxy: Proxy, validation: float, training: float, again: float) -> Iterator[str]:
    """What is wrong with the losses at the start, likewise."""
    if not math.isfinite(training):
        yield f"has a training loss of {training:g} at the start; it must be a number"
    elif training != again:
        yield "has a loss that is random at every call, so no program could be told from another; take Dropout out"
    if not proxy.floor < validation < proxy.ceiling:
        yield (
            f"starts at a loss of {validation:.3g}, which is not between its floor {proxy.floor:g} "
            f"and its ceiling {proxy.ceiling:g}; a ceiling is two to three times the loss at the start"
        )


def _try(proxy: Proxy) -> tuple[float, float, float]:
    """The validation loss of one replica at its start, and its training loss, with a gradient, twice."""
    if not isinstance(proxy.data(), Split):
        raise TypeError("the data function returns neither a Split nor arrays")
    buffers = Buffers(proxy.layout, 1)
    fill(buffers, proxy, [0])
    model = proxy.model(buffers, [0])
    training, again = (float(model.loss_and_grad(1)[0]) for _ in range(2))
    return float(model.loss_on("validation")[0]), training, again


@cache
def _module(path: Path) -> ModuleType:
    try:
        there = path.is_file()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise TaskError(f"there is no file {path}; an own task is named FILE.py or FILE.py:NAME.")
    name = f"own_task_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    if (folder := str(path.parent)) not in sys.path:
        sys.path.append(folder)  # at the end: its neighbours can be imported, and hide nothing
    with _blamed(path):
        spec.loader.exec_module(module)
    return module


def _functions(module: ModuleType) -> dict[str, Callable[[], Any]]:
    """The public functions of the file itself that can be called without arguments."""
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
        if all(
            p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            for p in inspect.signature(function).parameters.values()
        )
    }  # fmt: skip


def _returns_a_proxy(function: Callable[[], Any]) -> bool:
    annotation = inspect.signature(function).return_annotation
    return annotation is Proxy or (isinstance(annotation, str) and annotation.rpartition(".")[2] == "Proxy")


def _listed(names: Any) -> str:
    return f"there are {', '.join(names)}" if names else "it has no function without arguments"


@contextmanager
def _blamed(path: Path, otherwise: str = "") -> Iterator[None]:
    """Whatever is raised inside as a TaskError in one sentence, with the line of the file."""
    try:
        yield
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        where = f", line {lines[-1]}" if lines else otherwise
        reason = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().splitlines() or ["no message"]
        raise TaskError(f"{path}{where}: {type(error).__name__}: {reason[0].rstrip('.')}.") from error
