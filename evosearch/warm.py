"""Compiles the machines once, a process for each dtype, before workers would each do it for themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from evosearch.workers import WorkerError
from primitives.machines.kernels import is_compiled
from primitives.own import use, used

DTYPES = ("float32", "float64")  # trainings and fingerprints
OWN = "--primitives"  # what follows are files of the user's own, not tasks


def compile_machines(proxies: Sequence[str], say: Callable[[str], None], device: str = "cpu") -> None:
    """Have in the cache what is not there yet; WorkerError with the reason where that fails."""
    if device != "cpu":
        _compile_kernel(say, device)
    missing = [dtype for dtype in DTYPES[device != "cpu" :] if not is_compiled(dtype)]
    if not missing:
        return
    own = " with your primitives" if used() else ""
    say(f"compiling the machines{own}, on first use only (15 to 60 seconds)")
    names = [*proxies, OWN, *used()]
    commands = [[sys.executable, "-m", "evosearch.warm", dtype, *names] for dtype in missing]
    running = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        for process in running:
            _, errors = process.communicate()
            if process.returncode:
                reason = (errors.strip().splitlines() or ["no reason was given"])[-1]
                raise WorkerError(f"the machines could not be compiled: {reason}.")
    finally:
        for process in running:  # a signal to this process alone does not reach them
            process.kill()
            process.wait()


def _compile_kernel(say: Callable[[str], None], device: str) -> None:
    """Have the kernel of a GPU; where programs are trained on one the CPU makes fingerprints only."""
    import torch

    from primitives.machines.gpu_machine import launcher_for

    say("loading the GPU's kernel (about 10 seconds on first use, which compiles it)")
    try:
        launcher_for("float32", torch.device(device))
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkerError(f"the GPU's kernel could not be compiled: {error}") from error


def main(dtype: str, names: Sequence[str]) -> None:
    """Compile the machine for a dtype, and with float32 what the proxies compile; behind OWN, own primitives."""
    from proxies.threads import pin_environment

    pin_environment()
    import proxies
    from evosearch.fingerprint import fingerprints
    from evosearch.measure import compiled, measure
    from primitives.reference import reference
    from primitives.text import show

    tasks = names[: names.index(OWN)] if OWN in names else names
    use(names[len(tasks) + 1 :])
    text = show(reference("adamw"))
    if dtype == "float64":
        fingerprints([compiled(text)])
        return
    for name in tasks:
        measure([text], proxies.get(name), [0], [(-8,)], steps=2)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
