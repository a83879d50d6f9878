"""More tasks to breed on: sorts that the suite's search tasks lack, and small ones of sorts that it has at a price.

The first two are nowhere steep and noisy, and learned late. Adam's best constants for the other tasks do badly on both:
a quadratic with noisy gradients wants long averages, sums modulo a prime large steps and weights that decay. None
shares a size or a row with a task of the selection or the held-out tier.
"""

from proxies.convolution import convolution
from proxies.landscapes import noisy_quadratic
from proxies.perceptron import perceptron
from proxies.proxy import Proxy
from proxies.recurrent import reader
from proxies.sparse import rare_features
from proxies.transformer import transformer


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


def curve() -> Proxy:
    """A random network's outputs for a perceptron of two hidden layers."""
    return perceptron(
        "curve",
        (16, 16),
        "tanh",
        data="teacher_student",
        noise=0.1,
        floor=0.02,
        ceiling=4.0,
        batch=8,
        steps=80,
        seed=5,
    )


def rare_words() -> Proxy:
    """The suite's rare features, fewer, in a fourth of the steps."""
    return rare_features("rare_words", 40, 6, problem=9, batch=4, steps=400)


def loop() -> Proxy:
    """A small recurrent network on the search tier's text."""
    return reader("loop", 8, 8, cell="tanh", batch=4, steps=80)


def verses() -> Proxy:
    """A small transformer on the search tier's text."""
    return transformer("verses", 8, 1, 8, 2, 16, batch=4, steps=80)


def patches() -> Proxy:
    """A small convolutional network on digits with wrong labels."""
    return convolution("patches", (4, 4), batch=8, steps=50, label_noise=0.1)
