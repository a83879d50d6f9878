"""Tasks to judge on that are larger than all that programs were bred and chosen on: wider, deeper, ten times longer."""

from proxies.perceptron import perceptron
from proxies.proxy import Proxy


def wider() -> Proxy:
    """A hidden layer of 128 units on digits."""
    return perceptron("wider", (128,), "relu", batch=24, steps=120)


def deeper() -> Proxy:
    """Eight hidden layers on digits with wrong labels."""
    return perceptron("deeper", (20,) * 8, "relu", label_noise=0.1, batch=24, steps=150)


def longer() -> Proxy:
    """A random network's outputs in ten times as many steps as on the selection tier."""
    return perceptron(
        "longer",
        (20, 20),
        "tanh",
        data="teacher_student",
        noise=0.2,
        floor=0.04,
        ceiling=4.0,
        batch=16,
        steps=1500,
        seed=9,
    )
