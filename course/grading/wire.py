"""Values and messages between the grader and a kernel: JSON, so that reading one runs no code."""

import base64
import json
import math
import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

LONGEST = 16 * 2**20  # bytes of one message; the longest of the course has some 2 MB
ARRAYS = re.compile(r"[<>|=]([biufcSU])\d{1,4}")
PLAIN = (bool, int, float, str)
LISTS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class WireError(Exception):
    """What came cannot be read; the message says why."""


class Cut(WireError):
    """The other side is gone."""


class Missing:
    """Stands for a name that is not set."""


# ---------------------------------------------------------------- values


def encode(value: Any, functions: list[Callable]) -> Any:
    """Return a value as JSON has it; functions go into a list and are sent as their place in it.

    What is neither a number, a text, an array nor made of these is sent as the name of its type.
    """
    if value is None or type(value) in PLAIN:
        return value
    if value is ...:
        return {"is": "hole"}
    if isinstance(value, Generator):  # another one: its state would tell what comes
        return {"is": "generator", "seed": int(value.integers(2**63))}
    if isinstance(value, bytes | complex):
        value = np.array(value)[()]
    if isinstance(value, np.ndarray | np.generic):
        return _encoded_array(value)
    for name, kind in LISTS.items():
        if isinstance(value, kind):
            return {"is": name, "items": [encode(item, functions) for item in value]}
    if isinstance(value, dict):
        pairs = [[encode(part, functions) for part in pair] for pair in value.items()]
        return {"is": "dict", "items": pairs}
    if callable(value):
        functions.append(value)
        return {"is": "function", "place": len(functions) - 1}
    if isinstance(value, PLAIN):  # of a subclass
        return next(kind(value) for kind in PLAIN if isinstance(value, kind))
    if hasattr(value, "__array__"):
        return _encoded_array(np.asarray(value))
    return {"is": "thing", "name": type(value).__name__}


def _encoded_array(value: np.ndarray | np.generic) -> dict:
    array = np.asarray(value)
    if not ARRAYS.fullmatch(array.dtype.str):
        return {"is": "thing", "name": f"array of {array.dtype.name}"}
    return {
        "is": "array" if isinstance(value, np.ndarray) else "number",
        "dtype": array.dtype.str,
        "shape": array.shape,
        "data": base64.b64encode(array.tobytes()).decode(),
    }


def decode(told: Any, function: Callable[[int], Callable]) -> Any:
    """Return the value that JSON tells of.

    Parameters
    ----------
    told
        What `encode` has made, or whatever a hostile kernel sent in its place.
    function
        Returns what stands for the other side's function of a place.

    Raises
    ------
    WireError
        If it tells of no value.
    """
    try:
        return _decoded(told, function)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as e:
        raise WireError(f"a value that cannot be read ({type(e).__name__})") from e


def _decoded(told: Any, function: Callable[[int], Callable]) -> Any:
    if told is None or type(told) in PLAIN:
        return told
    kind = told["is"]
    if kind in LISTS:
        return LISTS[kind](_decoded(item, function) for item in told["items"])
    if kind == "dict":
        return {_decoded(k, function): _decoded(v, function) for k, v in told["items"]}
    if kind == "function":
        return function(int(told["place"]))
    if kind == "hole":
        return ...
    if kind == "generator":
        return default_rng(told["seed"])
    if kind == "thing":
        return type(str(told["name"])[:40], (), {})()
    return _decoded_array(told)


def _decoded_array(told: dict) -> np.ndarray | np.generic:
    shape, data = tuple(map(int, told["shape"])), base64.b64decode(told["data"])
    if not ARRAYS.fullmatch(told["dtype"]) or min(shape, default=0) < 0:
        raise ValueError(told["dtype"])
    dtype = np.dtype(told["dtype"])
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(shape)
    array = np.frombuffer(bytearray(data), dtype).reshape(shape)
    return array if told["is"] == "array" else array[()]


# ---------------------------------------------------------------- messages


class Line:
    """One end of a socket pair, for messages of four bytes that tell the length, then JSON."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.received = 0  # bytes

    def send(self, message: dict, until: float = math.inf) -> None:
        """Send a message, by a reading of `time.monotonic` at the latest.

        Raises
        ------
        TimeoutError, WireError
            If the other side does not take it in time, or is gone.
        """
        content = json.dumps(message).encode()
        self._patient(until)
        try:
            self._end.sendall(struct.pack(">I", len(content)) + content)
        except TimeoutError:
            raise
        except OSError as error:
            raise Cut("nothing, for the line is cut") from error

    def receive(self, until: float = math.inf) -> dict:
        """Return the next message, by a reading of `time.monotonic` at the latest.

        Raises
        ------
        TimeoutError, WireError
            If none comes in time, the other side is gone, or what came is no message.
        """
        (length,) = struct.unpack(">I", self._bytes(4, until))
        self.received += length
        if length > LONGEST:
            raise WireError(
                f"a message of {length / 2**20:,.0f} MB; {LONGEST // 2**20} are allowed"
            )
        try:
            message = json.loads(self._bytes(length, until))
        except (ValueError, RecursionError) as error:
            raise WireError("a message that cannot be read") from error
        if not isinstance(message, dict):
            raise WireError("a message that is none")
        return message

    def _bytes(self, n: int, until: float) -> bytes:
        found = bytearray()
        while len(found) < n:
            self._patient(until)
            try:
                part = self._end.recv(min(n - len(found), 2**20))
            except TimeoutError:
                raise
            except OSError as error:
                raise Cut("nothing, for the line is cut") from error
            if not part:
                raise Cut("nothing, for the line is cut")
            found += part
        return bytes(found)

    def _patient(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(None if math.isinf(until) else left)
