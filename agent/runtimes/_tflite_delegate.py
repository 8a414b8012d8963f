"""A TFLite delegate out of a shared library, as interpreters take it.

The libraries' own ``load_delegate`` holds Python's lock while the library looks for its device and
loads its firmware, for seconds: no heartbeat would leave. Here only its words come back to Python.

Source: TensorFlow Lite, delegates/external/external_delegate_interface.h.
"""

import ctypes
from collections.abc import Mapping
from typing import Any, Final

_REPORT: Final = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


class DelegateError(Exception):
    """The library cannot be loaded, or made no delegate; says why in its own words."""


class Delegate:
    """One delegate; closed after the interpreters that use it."""

    def __init__(self, library: str, options: Mapping[str, str]) -> None:
        """Load ``library`` and make its delegate.

        Raises:
            DelegateError: It cannot be loaded, or makes none.
        """
        self._pointer: int | None = None
        try:
            self._library: Any = ctypes.CDLL(library)
            create = self._library.tflite_plugin_create_delegate
            destroy = self._library.tflite_plugin_destroy_delegate
        except (OSError, AttributeError) as error:
            raise DelegateError(str(error)) from error
        texts = ctypes.POINTER(ctypes.c_char_p)
        create.argtypes, create.restype = (texts, texts, ctypes.c_size_t, _REPORT), ctypes.c_void_p
        destroy.argtypes, destroy.restype = (ctypes.c_void_p,), None
        said: list[bytes] = []
        report = _REPORT(said.append)
        several = ctypes.c_char_p * len(options)
        keys = several(*(key.encode() for key in options))
        values = several(*(value.encode() for value in options.values()))
        self._pointer = create(keys, values, len(options), report)
        if self._pointer is None:
            text = " ".join(words.decode(errors="replace") for words in said)
            raise DelegateError(text or "it gives no device, and no reason")

    def _get_native_delegate_pointer(self) -> int | None:
        """Return what the interpreter asks for."""
        return self._pointer

    def close(self) -> None:
        """Give the device back; closing twice is harmless."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._library.tflite_plugin_destroy_delegate(pointer)
