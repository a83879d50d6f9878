"""A user's own tasks: found by file and name, tried at once, and every mistake is a sentence with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import proxies
from proxies import TaskError
from proxies.data import split_rows

OWN = Path(__file__).parents[2] / "experiments" / "own-task" / "spirals.py"

HEAD = """\
import numpy as np
from torch import nn
from proxies.generic import from_module
from proxies.proxy import Proxy

def points():
    x = np.random.default_rng(0).standard_normal((50, 3))
    return x, (x[:, 0] > 0).astype(int)

def module():
    return nn.Linear(3, 2)

"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, head: str = HEAD, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(head + text)
        return str(tmp_path / name)

    return write


def test_the_example_from_any_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(OWN.parent)
    name = proxies.full_name("spirals.py")
    assert name == f"{OWN}:spirals"
    monkeypatch.chdir(tmp_path)
    proxy = proxies.get(name)
    assert proxy is proxies.get(name)
    assert proxy.name == name
    assert proxies.shown(name) == "spirals.py:spirals"
    assert len(proxies.digest(name)) == 64
    split = proxy.data()
    assert split is proxy.data()
    assert [len(part[0]) for part in (split.train, split.validation, split.test)] == [1200, 400, 400]


def test_which_function_a_file_means(written):
    one = "def task() -> Proxy:\n    return from_module('t', module, points)\n"
    assert proxies.full_name(written(one)).endswith("mine.py:task")
    two = one + "\ndef other() -> 'Proxy':\n    return task()\n"
    with pytest.raises(TaskError, match=r"no function 'proxy'; there are task, other; say which as FILE.py:NAME\.$"):
        proxies.get(written(two, name="two.py"))
    assert proxies.get(written(two, name="two.py") + ":other").name.endswith("two.py:other")
    assert proxies.full_name(written(two + "\ndef proxy():\n    return task()\n", name="three.py")).endswith(":proxy")


MISTAKES = {
    "syntax": ("def proxy(:\n", r"line 14: SyntaxError: .*\.$"),
    "import": ("import nothing_of_this_name\n", r"line 14: ModuleNotFoundError: No module named .*\.$"),
    "raises": ("def proxy():\n    return 1 / 0\n", r"line 15: ZeroDivisionError: division by zero\.$"),
    "exits": ("raise SystemExit('enough')\n", r"line 14: SystemExit: enough\.$"),
    "kind": ("def proxy():\n    return 3\n", r"returns a value of type int, not a Proxy"),
    "argument": ("def task(size):\n    pass\n", r"no function 'proxy'; there are points, module"),
    "data": (
        "def bad():\n    return np.zeros(9), np.zeros(7)\ndef proxy():\n    return from_module('t', module, bad)\n",
        r":proxy cannot be trained: ValueError: these arrays have no rows in common: .*\.$",
    ),
    "data raises": (
        "def bad():\n    return open('/no/such/file')\ndef proxy():\n    return from_module('t', module, bad)\n",
        r"line 15: FileNotFoundError: ",
    ),
    "shapes": (
        "def proxy():\n    return from_module('t', lambda: nn.Linear(4, 2), points)\n",
        r":proxy cannot be trained: RuntimeError: .*\.$",
    ),
    "ceiling": (
        "def proxy():\n    return from_module('t', module, points, ceiling=0.1)\n",
        r"starts at a loss of \d\.\d+, which is not between its floor 0.001 and its ceiling 0.1",
    ),
    "floor of 0": (
        "def proxy():\n    return from_module('t', module, points, floor=0.0)\n",
        r":proxy has the floor 0 and the ceiling 10; losses are compared by their logarithm, .* constant added\.$",
    ),
    "floor below 0": (
        "def proxy():\n    return from_module('t', module, points, floor=-5.0)\n",
        r":proxy has the floor -5 and",
    ),
    "no ceiling": (
        "def proxy():\n    return from_module('t', module, points, ceiling=float('inf'))\n",
        r":proxy has the floor 0.001 and the ceiling inf",
    ),
    "no steps": (
        "def proxy():\n    return from_module('t', module, points, steps=0)\n",
        r":proxy has 0 steps of 32 rows; a training has at least one step, and a step one row\.$",
    ),
    "empty batch": (
        "def proxy():\n    return from_module('t', module, points, batch=0)\n",
        r":proxy has 100 steps of 0 rows",
    ),
    "warm-up": (
        "def proxy():\n    return from_module('t', module, points, warmup=2.0)\n",
        r":proxy has the warm-up 2, which is a part of the steps between 0 and 1\.$",
    ),
    "number of roles": (
        "def proxy():\n    return from_module('t', module, points, roles=('hidden',))\n",
        r":proxy has the roles hidden for 2 parameters; each has one role, hidden, embedding, head or vector\.$",
    ),
    "unknown role": (
        "def proxy():\n    return from_module('t', module, points, roles=('hidden', 'bias'))\n",
        r":proxy has the roles hidden, bias for 2 parameters",
    ),
    "no parameters": (
        "def proxy():\n    return from_module('t', nn.Identity, points)\n",
        r":proxy has no parameters to train\.$",
    ),
    "training loss": (
        "def bad():\n    x, y = points()\n    return Split((x * np.nan, y), (x, y), (x, y), ())\n"
        "from proxies.data import Split\ndef proxy():\n    return from_module('t', module, bad)\n",
        r":proxy has a training loss of nan at the start; it must be a number\.$",
    ),
    "random numbers": (
        "def drop():\n    return nn.Sequential(nn.Dropout(0.5), module())\n"
        "def proxy():\n    return from_module('t', drop, points)\n",
        r":proxy has a loss that is random at every call, .*; take Dropout out\.$",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(written, mistake):
    text, says = MISTAKES[mistake]
    name = written("\n" + text, name=f"{mistake.replace(' ', '_')}.py")
    with pytest.raises(TaskError, match=says) as raised:
        proxies.get(name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_file_and_no_function(tmp_path):
    with pytest.raises(TaskError, match=r"there is no file .*nothing\.py"):
        proxies.get(str(tmp_path / "nothing.py"))
    with pytest.raises(
        TaskError, match=r"no function 'spiral' without arguments; there are points, module, spirals\.$"
    ):
        proxies.get(f"{OWN}:spiral")


@pytest.mark.parametrize(
    ("maker", "source"),
    [
        ("from_module('t', module, partial(tabular, 'breast_cancer'))", "breast_cancer of scikit-learn"),
        ("proxies.get('copying', unseal=True)", "copying 4 of 6 symbols, seed 101"),
        ("proxies.transformer.transformer('t', tier='held out', length=4)", "ast"),
    ],
)
def test_rows_of_held_out_tasks_stay_sealed(written, maker, source):
    text = (
        "import proxies\nimport proxies.transformer\nfrom functools import partial\n"
        "from proxies.tabular import tabular\n"
        f"def module():\n    return nn.Linear(30, 2)\ndef proxy():\n    return {maker}\n"
    )
    with pytest.raises(TaskError, match=rf"rows of a held-out task \({source}"):
        proxies.get(written(text))


def test_a_module_that_vmap_cannot_take_warns_and_is_had(written):
    text = (
        "class Odd(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = module()\n"
        "    def forward(self, x):\n        return self.a(x) if x.sum().item() < 1e9 else x\n"
        "def proxy():\n    return from_module('t', Odd, points)\n"
    )
    with pytest.warns(UserWarning, match="Odd runs one replica at a time"):
        proxies.get(written(text))


def test_neighbours_of_the_file_can_be_imported(written):
    written("SIZE = 3\n", head="", name="neighbour_of_mine.py")
    text = "import neighbour_of_mine as n\n\ndef proxy():\n    return from_module('t', module, points, steps=n.SIZE)\n"
    assert proxies.get(written(text)).steps == 3


def test_rows_are_divided_at_random_and_stay_together():
    x = np.arange(100, dtype=np.float32)
    split = split_rows(x, np.arange(100, dtype=np.int8), source="mine")
    parts = split.train, split.validation, split.test
    assert [len(part[0]) for part in parts] == [60, 20, 20]
    assert all(part[0].dtype == np.float64 and part[1].dtype == np.int64 for part in parts)
    assert all(np.array_equal(*part) for part in parts)
    assert sorted(np.concatenate([part[1] for part in parts])) == list(range(100))
    assert sorted(split.train[1]) != list(split.train[1])
    assert_array_equal(split_rows(x).train[0], split.train[0])
    assert not np.array_equal(split_rows(x, seed=1).train[0], split.train[0])
    for arrays in ((), (np.float64(3),), (x, x[1:]), (x[:4],), (np.array(["a"] * 9),)):
        with pytest.raises(ValueError, match="rows"):
            split_rows(*arrays)
