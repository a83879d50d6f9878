"""The data sets of vectors by name: what a perceptron can be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from proxies.data import Split, digits
from proxies.generators import modular_addition, teacher_student
from proxies.tabular import tabular


@dataclass(frozen=True)
class DataSet:
    """A data set: inputs [n, d] and either classes, int64 [n], or numbers to predict, float64 [n, outputs]."""

    summary: str
    load: Callable[..., Split]


DATASETS: dict[str, DataSet] = {
    "digits": DataSet("handwritten digits", digits),
    "breast_cancer": DataSet("cells of tumours, benign or malignant", partial(tabular, "breast_cancer")),
    "diabetes": DataSet("the progress of diabetes after a year", partial(tabular, "diabetes")),
    "wine": DataSet("the chemistry of three wines", partial(tabular, "wine")),
    "teacher_student": DataSet("a random network's outputs", teacher_student),
    "modular_addition": DataSet("sums modulo a prime", modular_addition),
}


def dataset(name: str, **options: Any) -> Callable[[], Split]:
    """What loads a data set with these options; ValueError in one sentence if there is none of that name."""
    if name not in DATASETS:
        raise ValueError(f"There is no data set called {name!r}; there are {', '.join(DATASETS)}.")
    return partial(DATASETS[name].load, **options)
