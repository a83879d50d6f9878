"""Raw addresses as arrays inside compiled code, so that one instruction may reach any allocation."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _address_of(dtype: Any) -> Any:
    def address(typing_context: Any, address: Any) -> Any:
        signature = types.CPointer(dtype)(types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return signature, generate

    return intrinsic(address)


address_of_float32 = _address_of(types.float32)
address_of_float64 = _address_of(types.float64)
