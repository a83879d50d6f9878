"""A composite primitive's kind rule says what its expansion says."""

from itertools import product

import pytest

from primitives.inference import _kind
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, PER_TENSOR, ROW, TENSOR, KindError
from primitives.table import PRIMITIVES

COMPOSITES = [p for p in PRIMITIVES.values() if p.form == "composite"]


@pytest.mark.parametrize("p", COMPOSITES, ids=lambda p: p.name)
def test_kind_rule_agrees_with_the_expansion(p):
    for kinds in product((NUMBER, PER_TENSOR, ROW, TENSOR), repeat=p.arity):
        by_expansion = _kind(expansion(p.name), {**dict(zip(p.args, kinds, strict=True))}, None)
        try:
            by_rule = p.kind(*kinds)
        except KindError:
            by_rule = None
        assert by_rule == by_expansion, kinds
