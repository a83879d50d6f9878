"""Two more tasks to breed on, of sorts that the suite's search tasks lack: nowhere steep and noisy; learned late.

Adam's best constants for the other tasks do badly on both: a quadratic with noisy gradients wants long averages, sums
modulo a prime large steps and weights that decay. Neither shares a size or a row with a task of the suite.
"""

from proxies.landscapes import noisy_quadratic
from proxies.perceptron import perceptron
from proxies.proxy import Proxy


def noisy_bowl() -> Proxy:
    """A quadratic with a wide spectrum and two noisy rows a step."""
    return noisy_quadratic("noisy_bowl", 8, 300.0, noise=0.08, problem=11, steps=300)


def sums() -> Proxy:
    """Sums modulo 19 for a narrow perceptron."""
    return perceptron(
        "sums",
        (28,),
        "relu",
        data="modular_addition",
        p=19,
        turns=(1, 4),
        seed=7,
        floor=0.02,
        ceiling=10.0,
        batch=24,
        steps=250,
    )
