"""Work on a GPU that is the same at every call, as one CUDA graph: a launch in place of dozens."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor


class Captured:
    """A function of what lies in memory, which it reads and writes in place; its result is always the same tensor.

    The first call runs plainly, so that libraries are ready; the second is captured; from then on the graph is
    replayed. Where torch refuses to capture, and on a CPU, every call runs plainly.
    """

    def __init__(self, work: Callable[[], Tensor], device: torch.device) -> None:
        self.work, self.device = work, device
        self.graph: torch.cuda.CUDAGraph | None = None
        self.plain, self.called = device.type != "cuda", False

    def __call__(self) -> Tensor:
        """Do the work once."""
        if self.graph is None and self.called and not self.plain:
            self._capture()
        self.called = True
        if self.graph is None:
            return self.work()
        self.graph.replay()
        return self.result

    def _capture(self) -> None:
        """Record the work without doing it."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(graph):
                self.result = self.work()
        except RuntimeError as error:
            torch.cuda.set_stream(stream)  # a capture that fails leaves its own
            self.plain = True
            reason = str(error).splitlines()[0]
            warnings.warn(f"torch cannot hold a step in a CUDA graph and runs it plainly: {reason}", stacklevel=3)
            return
        self.graph = graph
