"""Tasks to judge on that are larger than all that programs were bred and chosen on: wider, deeper, ten times longer."""

from proxies.perceptron import perceptron
from proxies.proxy import Proxy

TEACHER = {"data": "teacher_student", "noise": 0.2, "floor": 0.04, "ceiling": 4.0}


def wider() -> Proxy:
    """Sums modulo 29, with 128 hidden units."""
    return perceptron("wider", (128,), "relu", data="modular_addition", p=29, seed=3, floor=0.02, ceiling=10, steps=300)


def deeper() -> Proxy:
    """A random network's outputs, with seven hidden layers."""
    return perceptron("deeper", (20,) * 7, "tanh", batch=16, steps=200, seed=8, **TEACHER)


def longer() -> Proxy:
    """Another random network's outputs, in ten times as many steps as on the selection tier."""
    return perceptron("longer", (20, 20), "tanh", batch=16, steps=1500, seed=9, **TEACHER)
