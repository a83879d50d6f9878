"""Compiles the kernel with NVRTC, which comes with torch, and launches it through the CUDA driver.

Through their C interfaces: what torch has for this (torch.cuda._compile_kernel) is private, differs between versions
and asks for a whole CUDA toolkit on the machine. Launches go to torch's current stream, so CUDA graphs record them.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

from primitives.bytecode import UnsupportedError
from primitives.machines.gpu_source import source
from primitives.machines.kernels import cache_folder
from primitives.table import derived

THREADS = 128  # of a block: four elements of each register fill 2 KB of shared memory
OPTIONS = ("--fmad=false", "--std=c++17")  # products are rounded before they are added, as on a CPU
NO_COMPILER = "NVRTC, which compiles the GPU's kernel, is not installed; use pip install nvidia-cuda-nvrtc"
DYNAMIC_SHARED, DEVICE_LIMIT = 8, 97  # attributes of a function and of a device, as the driver numbers them


class Kernel:
    """The kernel of a dtype on a CUDA device, `limit` bytes of shared memory a block at most."""

    def __init__(self, dtype: str, device: torch.device) -> None:
        self.threads = THREADS
        with torch.cuda.device(device):
            torch.cuda.current_stream().synchronize()  # torch has made its context by now
            major, minor = torch.cuda.get_device_capability()
            binary = _cubin(source(dtype, THREADS), f"sm_{major}{minor}")
            limit, index, module = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
            self.function = ctypes.c_void_p()
            _driver("cuCtxGetDevice", ctypes.byref(index))
            _driver("cuDeviceGetAttribute", ctypes.byref(limit), DEVICE_LIMIT, index)
            _driver("cuModuleLoadData", ctypes.byref(module), binary)
            _driver("cuModuleGetFunction", ctypes.byref(self.function), module, b"step_replica")
            _driver("cuFuncSetAttribute", self.function, DYNAMIC_SHARED, limit)
        self.device, self.limit = device, limit.value

    def launch(self, blocks: int, shared: int, arguments: ctypes.Structure) -> None:
        """Run `blocks` blocks with that many bytes of shared memory each, on torch's current stream."""
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
        with torch.cuda.device(self.device):
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            _driver("cuLaunchKernel", self.function, blocks, 1, 1, self.threads, 1, 1, shared, stream, pointers, None)


@cache
def kernel(dtype: str, device: torch.device) -> Kernel:
    """The kernel of a dtype on a device with an index, made once."""
    return Kernel(dtype, device)


derived(kernel.cache_clear)


def problem(device: str) -> str:
    """Why programs cannot be trained on a device, in words; empty where they can."""
    wanted = torch.device(device)
    if wanted.type == "cpu":
        return ""
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda else f", and torch {torch.__version__} is built without CUDA"
        return f"torch sees no CUDA device here{built}"
    if (wanted.index or 0) >= (count := torch.cuda.device_count()):
        return f"there is no {device}, torch sees {count} CUDA device{'s' * (count > 1)}"
    return "" if _nvrtc_path() else NO_COMPILER


def _driver(name: str, *arguments: Any) -> None:
    """Call a function of the CUDA driver; RuntimeError with its words where that fails."""
    library = _library("libcuda.so.1")
    code = getattr(library, name)(*arguments)
    if code:
        words = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(words))
        raise RuntimeError(f"CUDA: {name} failed: {(words.value or b'unknown error').decode()}")


@cache
def _library(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path)


@cache
def _nvrtc_path() -> str:
    """Where NVRTC is: among what torch has loaded or the system has, else beside torch; empty where it is not."""
    version = (torch.version.cuda or "").split(".")[0]
    folder = Path(torch.__file__).parents[1]
    beside = [*folder.glob(f"nvidia/*/lib/libnvrtc.so.{version}*"), *folder.glob("torch/lib/libnvrtc*.so*")]
    for name in (f"libnvrtc.so.{version}", "libnvrtc.so", *sorted(map(str, beside))):
        try:
            _library(name)
        except OSError:
            continue
        return name
    return ""


def _cubin(text: str, architecture: str) -> bytes:
    """The machine code of a source, from the cache on disk where it is."""
    name = hashlib.sha256("\n".join([text, architecture, *OPTIONS, str(torch.version.cuda)]).encode()).hexdigest()[:12]
    path = cache_folder() / f"gpu_{architecture}_{name}.cubin"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        partial.write_bytes(compile_source(text, architecture))
        os.replace(partial, path)
    return path.read_bytes()


def compile_source(text: str, architecture: str) -> bytes:
    """The machine code of a source for an architecture such as "sm_90"; needs NVRTC, but no GPU."""
    if not _nvrtc_path():
        raise UnsupportedError(
            "NVRTC, which compiles the GPU's kernel, is not installed; pip install nvidia-cuda-nvrtc."
        )
    nvrtc, program = _library(_nvrtc_path()), ctypes.c_void_p()
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *OPTIONS)]
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"step_replica.cu", 0, None, None)
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    what, size = "ProgramLog" if code else "CUBIN", ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    found = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, found)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if code:
        raise RuntimeError(f"NVRTC refuses the kernel: {found.value.decode()[:2000]}")
    return found.raw
