"""Writes the GPU machine's kernel from the table of primitives: CUDA C, or the same text as C++ for a CPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from primitives.machines.gpu_text import expression, functions, library
from primitives.machines.kernels import PERIODIC, POINTWISE, REDUCTIONS
from primitives.primitive import Primitive
from primitives.schedule import INPUT_SLOTS, SHAPE_SLOTS
from primitives.table import derived

FOLDER = Path(__file__).parent
MOVES = ("load", "store", "copy")  # opcodes 0 to 2; a copy of a number fills
OPCODES: dict[str, int] = {}  # by primitive
PLACES = "abce"  # fields of a row that hold the places of its arguments
VECTOR_BYTES = 16  # of a register that one thread holds: what one access moves
ON_GPU = """
#define DEVICE static __device__ __forceinline__
#define DEVICE_CALL static __device__ __noinline__
#define KERNEL(threads) __global__ __launch_bounds__(threads)
#define SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#define EACH _Pragma("unroll") for (int l = 0; l < LANES; l++)
DEVICE double as_double(long long x) { return __longlong_as_double(x); }
DEVICE long long as_integer(double x) { return __double_as_longlong(x); }
"""


def _kernel(p: Primitive, arguments: list[str], dtype: str) -> str:
    names = functions(dtype)
    text = expression(p.kernel, {**names, **dict(zip(p.args, arguments, strict=True))})
    if p.name in PERIODIC and dtype == "float32":  # beyond FAR the polynomials lose digits
        return f"absolute({arguments[0]}) > FAR ? float({p.name}(double({arguments[0]}))) : {text}"
    return text


def _operands(p: Primitive) -> str:
    return " ".join(f"const V x{k} = operand(registers, s, row.{place});" for k, place in enumerate(PLACES[: p.arity]))


def _pointwise_case(p: Primitive, dtype: str) -> list[str]:
    arguments = [f"x{k}.v[l]" for k in range(p.arity)]
    return [
        f"            case {OPCODES[p.name]}: {{  // {p.name}",
        f"                {_operands(p)}",
        f"                EACH d.v[l] = {_kernel(p, arguments, dtype)};",
        "                break;",
        "            }",
    ]


def _reduction_case(p: Primitive) -> list[str]:
    arguments = [f"double(x{k}.v[l])" for k in range(p.arity)]
    return [
        f"            case {OPCODES[p.name]}: {{  // {p.name}",
        f"                {_operands(p)}",
        "                double sum = 0;",
        f"                EACH if (l < left) sum += {_kernel(p, arguments, 'float64')};",
        "                partials[row.partial * THREADS + threadIdx.x] += sum;",
        "                continue;",
        "            }",
    ]


def _number_case(p: Primitive) -> str:
    arguments = [f"s[row.{place}]" for place in PLACES[: p.arity]]
    return f"            case {OPCODES[p.name]}: d = {_kernel(p, arguments, 'float64')}; break;  // {p.name}"


@cache
def source(dtype: str, threads: int, prelude: str = ON_GPU) -> str:
    """The kernel `step_replica` for "float32" or "float64" and that many threads a block, a power of two."""
    cases = [line for p in POINTWISE if p.arity for line in _pointwise_case(p, dtype)]
    cases += [line for p in REDUCTIONS for line in _reduction_case(p)]
    template = Template((FOLDER / "gpu_kernel.cu").read_text(encoding="utf-8"))
    return template.substitute(
        prelude=prelude,
        type="float" if dtype == "float32" else "double",
        threads=threads,
        outside=len(INPUT_SLOTS),
        about=len(SHAPE_SLOTS),
        library=library(),
        cases="\n".join(cases),
        number_cases="\n".join(map(_number_case, POINTWISE)),
    )


@derived
def _number_all() -> None:
    """Opcodes for all that is in the table; the source with fewer is forgotten."""
    OPCODES.clear()
    names = (*MOVES, *(p.name for p in (*POINTWISE, *REDUCTIONS)))
    OPCODES.update({name: code for code, name in enumerate(names)})
    source.cache_clear()
