"""How an answer is judged: called with fresh input, measured against wrong ways, put into words."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from course import prepared

RIGHT, UNANSWERED = "right.", "not answered yet."
Check = Callable[[Any, np.random.Generator], str | None]
OwnCheck = Callable[[Any, SimpleNamespace], None]
CHECKS: dict[str, Check] = {}
HOMEWORK: dict[str, OwnCheck] = {}


class Hint(Exception):
    """What a check says of an answer that is not right."""


def exercise(judge: Check) -> Check:
    """Register the check of the exercise that bears a function's name.

    It takes the answer and a generator of random numbers and raises a `Hint` if the answer is not
    right. What it returns is said of a right one, such as what the answer gives on the sample.
    """
    CHECKS[judge.__name__] = judge
    return judge


def homework(judge: OwnCheck) -> OwnCheck:
    """Register the check of a homework; it takes the learner's sample, not random numbers."""
    HOMEWORK[judge.__name__] = judge
    return judge


def check(name: str, answer: Any, own: int | None = None) -> None:
    """Say whether an answer is right, and what to think about if not.

    Parameters
    ----------
    name
        Of the exercise.
    answer
        A function, not called, or a value. `...` and a function that raises NotImplementedError
        are no answers yet.
    own
        Seed of the learner's own images, which a homework is about.
    """
    print(f"{name}: {verdict(name, answer, own=own)}")


def verdict(name: str, answer: Any, seed: int | None = None, own: int | None = None) -> str:
    """Return what `check` says of an answer, whatever the answer does.

    Parameters
    ----------
    name, answer, own
        As `check`'s.
    seed
        Of the random input; None draws it anew.
    """
    if name not in CHECKS and name not in HOMEWORK:
        return f"there is no such exercise; there are {', '.join(sorted(CHECKS | HOMEWORK))}."
    if answer is ...:
        return UNANSWERED
    try:
        if name in CHECKS:
            said = CHECKS[name](answer, np.random.default_rng(seed))
        else:
            said = HOMEWORK[name](answer, prepared.load(own))
    except Hint as hint:
        return f"not yet: {hint}"
    except NotImplementedError:
        return UNANSWERED
    except (Exception, SystemExit) as error:  # Ctrl-C stays what stops an answer without end
        return f"not yet: the code stops with {type(error).__name__}: {error}"
    return f"{RIGHT} {said}" if said else RIGHT


def call(answer: Any, *arguments: Any) -> Any:
    """Return what an answer gives, called with copies that it must leave as they are.

    Raises
    ------
    Hint
        If it is no function, returns nothing, or changes an array that it was given.
    """
    if not callable(answer):
        raise Hint("the check wants the function itself: its name, without brackets behind it.")
    given = [_copied(argument) for argument in arguments]
    found = answer(*given)
    if found is None:
        raise Hint("the function returns nothing; it must end with a `return`.")
    if not all(_unchanged(new, old) for new, old in zip(given, arguments, strict=True)):
        raise Hint("the function changes the arrays that it is given; let it work on copies.")
    return found


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray | dict | list) else value


def _unchanged(new: Any, old: Any) -> bool:
    return not isinstance(old, np.ndarray) or np.array_equal(new, old)


def array(found: Any, shape: tuple[int, ...], axes: str) -> np.ndarray:
    """Return an answer as an array of floats, if it has the shape that its axes ask for.

    Raises
    ------
    Hint
        If it has another shape, holds no numbers, or one that is not finite.
    """
    try:
        values = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Hint(f"the result should be numbers {axes}, not {type(found).__name__}.") from None
    if values.shape != shape:
        raise Hint(f"the result has shape {values.shape}; it should be {axes}, here {shape}.")
    if not np.isfinite(values).all():
        raise Hint("the result holds a NaN or an infinity: is something divided by zero?")
    return values


def number(found: Any) -> float:
    """Return an answer as one number, or raise a `Hint`."""
    if isinstance(found, str):
        raise Hint("the result should be a number, not text.")
    values = array(found, np.shape(found) if np.size(found) == 1 else (), "one number")
    return float(values.reshape(()))


def probabilities(found: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return an answer as probabilities (images, classes), or raise a `Hint`."""
    values = array(found, shape, "(images, classes)")
    sums = values.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-4):
        raise Hint(f"the rows should sum to one; one of them sums to {_farthest(sums):.3g}.")
    return values


def _farthest(sums: np.ndarray) -> float:
    return float(sums[np.argmax(np.abs(sums - 1))])


def judge(found: Any, right: Any, wrong_ways: Mapping[str, Any], otherwise: str) -> None:
    """Raise a `Hint` unless a result is the right one.

    Parameters
    ----------
    found, right
        The result, and what it should be.
    wrong_ways
        By the hint, what a wrong way leads to; the first that gives this result is told.
    otherwise
        The hint for all other results.
    """
    if same(found, right):
        return
    raise Hint(next((hint for hint, way in wrong_ways.items() if same(found, way)), otherwise))


def same(first: Any, second: Any) -> bool:
    """Return whether two results are equal; numbers in arrays of one shape to four digits."""
    first, second = np.asarray(first), np.asarray(second)
    if "U" in (first.dtype.kind, second.dtype.kind):
        return np.array_equal(first, second)
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-4, atol=1e-7)


def draw_probs(rng: np.random.Generator, *shape: int, spread: float = 1.5) -> np.ndarray:
    """Return random probabilities of a shape that ends with the classes; rows sum to one."""
    return _softmax(rng.normal(scale=spread, size=shape))


def draw_views(
    rng: np.random.Generator, n: int, classes: int, skills: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (n,) and probabilities (views, n, classes) that know something of them.

    `skills` holds a number a view, by which the right class is favoured; 0 knows nothing.
    """
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + rng.normal(size=(len(skills), n, classes))
    logits[:, np.arange(n), labels] += np.asarray(skills, dtype=float)[:, None]
    return labels, _softmax(logits)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
