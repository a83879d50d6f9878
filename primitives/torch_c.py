"""A rule written in C as a kernel for a CPU; `export` copies what a program needs of this file, which it reads as text.

A C compiler takes a tenth of a second, where torch.compile takes seconds; the kernel updates all tensors in one call.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
import warnings
from array import array
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

Kernel = Callable[[Sequence[Sequence[Tensor]], Sequence[float]], None]
UNCOMPILED = "The fused step cannot be compiled here; the plain one is used, as with fused=False:"
C_TYPES = {torch.float64: "double", torch.float32: "float", torch.float16: "_Float16", torch.bfloat16: "bfloat16"}
C_FLAGS = "-O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fPIC"  # each operation rounds, as in torch
C_WAYS = (  # to compile and to link: with wide vectors, with torch's own threads, with others, with none
    ("-march=native -fopenmp -mprefer-vector-width=512", ""),
    ("-march=native -fopenmp", ""),
    ("-march=native -fopenmp", "-fopenmp"),
    ("", ""),
)
C_HEAD = """\
#include <stdint.h>
#include <string.h>
#include <tgmath.h>
typedef struct { uint16_t bits; } bfloat16;
#define real(x) ((real)(x))
#define choose(c, x, y) ((c) ? (x) : (y))
#ifdef __GNUC__  /* memory is waited for a fifth less if it is asked for 256 elements ahead */
#define ask(at) \\
    for (uintptr_t ahead = 256 * sizeof *at; ahead < 320 * sizeof *at; ahead += 64) \\
        __builtin_prefetch((char *)(at + from) + ahead)
#else
#define ask(at)
#endif
static inline real sign(real x) { return (real)((x > 0) - (x < 0)); }
static inline real square(real x) { return x * x; }
static inline real cube(real x) { return x * x * x; }
static inline real maximum(real x, real y) { return x != x || x > y ? x : y; }
static inline real minimum(real x, real y) { return x != x || x < y ? x : y; }
static inline real remainder_of(real x, real y) {
    real r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static inline real widened(bfloat16 x) {
    uint32_t bits = (uint32_t)x.bits << 16;
    float wide;
    memcpy(&wide, &bits, 4);
    return (real)wide;
}
static inline bfloat16 narrowed(real x) {
    float wide = (float)x;
    uint32_t bits;
    memcpy(&bits, &wide, 4);
    bits = x != x ? 0x7fc00000 : bits + 0x7fff + (bits >> 16 & 1);
    return (bfloat16){(uint16_t)(bits >> 16)};
}
"""
C_STEP = """\
void count(int64_t counters, const int64_t *memory) {{
    for (int64_t i = 0; i < counters; i++) *(float *)memory[i] += 1;
}}
void step(int64_t count, int threads, const int64_t *memory, const double *numbers_at) {{
    {numbers}
    int64_t taken = 0;
    #pragma omp parallel num_threads(threads) if (threads > 1)
    {{
        int64_t piece = 0;
        int64_t mine;  /* the piece drawn: a thread that is held up draws fewer */
        #pragma omp atomic capture
        mine = taken++;
        for (int64_t tensor = 0; tensor < count; tensor++) {{
            int64_t length = memory[tensor];
            {pointers}
            for (int64_t first = 0; first < length; first += 1 << 16) {{
                if (piece++ != mine) continue;
                #pragma omp atomic capture
                mine = taken++;
                int64_t last = first + (1 << 16) < length ? first + (1 << 16) : length;
                for (int64_t from = first; from < last; from += 64) {{
                    int64_t to = from + 64 < last ? from + 64 : last;
                    {asks}
                    for (int64_t element = from; element < to; element++) {{
                        {loads}
                        {rule}
                        {stores}
                    }}
                }}
            }}
        }}
    }}
}}
"""


def c_source(rule: str, tensors: Sequence[str], numbers: Sequence[str], dtypes: Sequence[torch.dtype]) -> str:
    """The C of a function that updates all tensors: `rule` is what it does with one element of each."""
    types = [C_TYPES[dtype] for dtype in dtypes]
    narrow = [c == "bfloat16" for c in types]
    pointers = [f"{c} *restrict at_{i} = ({c} *)memory[{i + 1} * count + tensor];" for i, c in enumerate(types)]
    places = [f"at_{i}[element]" for i in range(len(types))]
    loads = [f"real {x} = {f'widened({at})' if b else at};" for x, at, b in zip(tensors, places, narrow, strict=True)]
    rows = zip(tensors, places, narrow, types, strict=True)
    stores = [f"{at} = {f'narrowed({x})' if b else f'({c}){x}'};" for x, at, b, c in rows]
    parts = {
        "numbers": [f"const real {name} = (real)numbers_at[{i}];" for i, name in enumerate(numbers)],
        "pointers": pointers,
        "asks": [f"ask(at_{i});" for i in range(len(types))],
        "loads": loads,
        "rule": rule.split("\n"),
        "stores": [stores[0], *stores[2:]],  # a gradient stays as it is
    }
    wide = "double" if torch.float64 in dtypes else "float"
    filled = C_STEP.format_map({name: " ".join(map(str.strip, lines)) for name, lines in parts.items()})
    return f"typedef {wide} real;\n{C_HEAD}{filled}"


C_COUNT: list[Any] = []  # a function that adds one to float32 counters at given places, once one is compiled


@functools.cache
def c_compiler() -> list[str]:
    """The command of the C compiler: CC, else cc; empty if there is none."""
    words = (os.environ.get("CC") or "cc").split()
    return words if shutil.which(words[0]) else []


@functools.cache
def c_kernel(
    rule: str, tensors: tuple[str, ...], numbers: tuple[str, ...], dtypes: tuple[torch.dtype, ...]
) -> Kernel | None:
    """The function of `c_source`, compiled for this processor, or None where that fails."""
    text = c_source(rule, tensors, numbers, dtypes)
    reason = "there is no C compiler; set CC to one."
    for flags, libraries in C_WAYS if c_compiler() else ():
        try:
            return functools.partial(c_update, c_function(text, flags, libraries))
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().partition("\n")[0]
    warnings.warn(f"{UNCOMPILED} {reason}", stacklevel=3)
    return None


def c_function(text: str, flags: str, libraries: str) -> Any:
    """The function `step` of a text in C; OSError or SubprocessError where it cannot be compiled or loaded."""
    run = functools.partial(subprocess.run, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        source, compiled, library = (f"{folder}/step.{ending}" for ending in ("c", "o", "so"))
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        run([*c_compiler(), *C_FLAGS.split(), *flags.split(), "-c", source, "-o", compiled])
        run([*c_compiler(), "-shared", compiled, "-o", library, *libraries.split(), "-lm"])
        functions = ctypes.CDLL(library)
    step, count = functions.step, functions.count
    count.argtypes, count.restype = [ctypes.c_int64, ctypes.c_void_p], None
    step.argtypes = [ctypes.c_int64, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    step.restype = None
    C_COUNT[:] = [count]
    return step


def c_update(step: Any, lists: Sequence[Sequence[Tensor]], numbers: Sequence[float]) -> None:
    """Update tensors in place by a compiled function, which checks nothing."""
    lengths = [*map(Tensor.numel, lists[0])]
    threads = torch.get_num_threads() if sum(lengths) >= 2**15 else 1
    memory = array("q", [*lengths, *map(Tensor.data_ptr, chain.from_iterable(lists))])
    given = array("d", numbers)
    step(len(lengths), threads, memory.buffer_info()[0], given.buffer_info()[0])
