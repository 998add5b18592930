"""Convergence: the exact loss of one shared filter under Gaussian inputs, its gradient, and where descent ends.

A teacher's filter w* labels every input, and a student's filter w learns from the labels. The loss is an expectation
over all inputs, in closed form, so nothing is sampled. Taught in the chapter *Convergence*.
"""

from dataclasses import dataclass
from functools import cache
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike

from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError, WeightError, shown

TOLERANCE = 1e-9  # the norm of a gradient at which a descent stops


@dataclass(frozen=True)
class Teacher:
    """A network with one hidden layer that labels inputs: the average of ReLUs of one filter, over k windows.

        f(x; w) = (1/k) Σ_i relu(w · x[i·s : i·s + m]),   labels f(x; w*),   x ~ N(0, I) in R^(m + (k−1)s)

    Attributes:
        target: w*, its filter, m numbers that are not all 0.
        windows: k.
        stride: s; the windows overlap if s < m and k > 1.

    Raises:
        WeightError: if the target is no vector of finite numbers, or is 0.
        ConvacError: if k or s is no integer of at least 1.

    Source: Brutzkus & Globerson, ICML 2017. Chapter: *Convergence*.

    >>> Teacher((1, -1), windows=2, stride=1).overlaps, Teacher((1, -1), windows=2, stride=2).overlaps
    (True, False)
    """

    target: tuple[float, ...]
    windows: int
    stride: int

    def __post_init__(self) -> None:
        require_integers(windows=self.windows, stride=self.stride)
        target = _numbers("the target", self.target)
        if target.ndim != 1 or not target.size:
            raise WeightError(
                f"the target must be a vector of at least one number, and its shape is {target.shape}; "
                "write it as in (1, -1)"
            )
        if not target.any():
            raise WeightError(
                "the target is 0, so it labels every input 0 and teaches no direction; give one that is not 0"
            )
        object.__setattr__(self, "target", tuple(map(float, target)))

    @property
    def overlaps(self) -> bool:
        """Whether two windows share an input."""
        return self.windows > 1 and self.stride < len(self.target)

    @property
    def inputs(self) -> int:
        """The number of inputs, m + (k−1)s."""
        return len(self.target) + (self.windows - 1) * self.stride


def kernel(u: ArrayLike, v: ArrayLike) -> np.ndarray:
    """Compute what two ReLUs have in common under Gaussian inputs.

        g(u, v) = E relu(u·x) relu(v·x) = |u| |v| (sin θ + (π − θ) cos θ) / 2π,   θ the angle between u and v

    Args:
        u: numbers of shape (..., d).
        v: numbers of a shape that broadcasts with it.

    Returns:
        The expectations, of shape (...); 0 where u or v is 0. float32 if both are, else float64.

    Raises:
        WeightError: if an entry is NaN or infinite, or the last axes differ in length.

    Source: the arc-cosine kernel of degree 1, halved. Chapter: *Convergence*.

    >>> float(kernel([1, 0], [1, 0])), float(kernel([1, 0], [-1, 0]))
    (0.5, 0.0)
    """
    u, v = _numbers("u", u), _numbers("v", v)
    if u.shape[-1:] != v.shape[-1:]:
        raise WeightError(
            f"u and v must have equally many entries, and their shapes are {u.shape} and {v.shape}; cut or pad one"
        )
    norms = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    cosine = np.divide((u * v).sum(-1), norms, out=np.zeros_like(norms), where=norms > 0)
    return np.asarray(norms * _unit_kernel(cosine))


def output(x: ArrayLike, w: ArrayLike, teacher: Teacher) -> np.ndarray:
    """Compute f(x; w), the network's output, for inputs one by one.

    Args:
        x: inputs of shape (..., m + (k−1)s).
        w: one filter of m numbers.
        teacher: gives the windows.

    Returns:
        The outputs, of shape (...).

    Raises:
        WeightError: if a shape does not fit, or an entry is NaN or infinite.

    Source: Brutzkus & Globerson, ICML 2017. Chapter: *Convergence*.

    >>> float(output([2, 1, 3], (1, -1), Teacher((1, -1), windows=2, stride=1)))
    0.5
    """
    x, w = _numbers("x", x), _filters(w, teacher)
    if w.ndim != 1:
        raise WeightError(f"output takes one filter, and w has shape {w.shape}; call it for each filter")
    if x.shape[-1:] != (teacher.inputs,):
        raise WeightError(
            f"{teacher.windows} windows of {len(w)} with stride {teacher.stride} read {teacher.inputs} inputs, "
            f"and x has shape {x.shape}; its last axis must be {teacher.inputs}"
        )
    views = np.lib.stride_tricks.sliding_window_view(x, len(w), axis=-1)[..., :: teacher.stride, :]  # (..., k, m)
    return np.asarray(np.maximum(views @ w, 0).mean(-1))


def network_kernel(u: ArrayLike, v: ArrayLike, teacher: Teacher) -> np.ndarray:
    """Compute what two filters' networks have in common under Gaussian inputs.

        K(u, v) = E f(x; u) f(x; v) = (1/k²) Σ_ij g(u in window i, v in window j)

    Only i − j counts. Windows without a common input have perpendicular filters, for which g = |u||v| / 2π.

    Args:
        u: filters of shape (..., m).
        v: filters of a shape that broadcasts with it.
        teacher: gives the windows.

    Returns:
        The expectations, of shape (...).

    Raises:
        WeightError: if a shape does not fit, or an entry is NaN or infinite.

    Source: Brutzkus & Globerson, ICML 2017, as we understand it. Chapter: *Convergence*.

    >>> f"{float(network_kernel((1, -1), (1, -1), Teacher((1, -1), windows=2, stride=1))):.6f}"
    '0.554499'
    """
    u, v = _filters(u, teacher), _filters(v, teacher)
    norms = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    total = np.zeros_like(norms)
    for share, shift in _lags(teacher):
        dots = (u * (v @ shift.T.astype(v.dtype))).sum(-1)
        cosine = np.divide(dots, norms, out=np.zeros_like(norms), where=norms > 0)
        total += share * _unit_kernel(cosine)
    return np.asarray(norms * total)


def population_loss(w: ArrayLike, teacher: Teacher) -> np.ndarray:
    """Compute the expected squared error of a student's filter, exactly.

        ℓ(w) = E (f(x; w) − f(x; w*))² = K(w, w) + K(w*, w*) − 2 K(w, w*)

    Args:
        w: filters of shape (..., m), float32 or float64.
        teacher: the labels.

    Returns:
        The losses, of shape (...), in the dtype of w.

    Raises:
        WeightError: if a shape does not fit, or an entry is NaN or infinite.

    Source: Brutzkus & Globerson, ICML 2017, as we understand it. Chapter: *Convergence*.

    >>> teacher = Teacher((1, -1), windows=2, stride=2)
    >>> print(population_loss([(-1, 1), (1, -1)], teacher).round(6))
    [1. 0.]
    """
    w = _filters(w, teacher)
    target = np.array(teacher.target, w.dtype)
    own, labels, common = (network_kernel(*pair, teacher) for pair in ((w, w), (target, target), (w, target)))
    return np.asarray(np.abs(own + labels - 2 * common))  # never below 0 but for rounding


def population_gradient(w: ArrayLike, teacher: Teacher) -> np.ndarray:
    """Compute the gradient of the population loss, exactly.

        ∇_u g(u, v) = (|v| sin θ · u/|u| + (π − θ) v) / 2π,   summed over the pairs of windows

    Args:
        w: filters of shape (..., m), none of them 0, float32 or float64.
        teacher: the labels.

    Returns:
        The gradients, of the shape and the dtype of w.

    Raises:
        WeightError: if a filter is 0, where the loss has a kink; a shape does not fit; or an entry is NaN or infinite.

    Source: Brutzkus & Globerson, ICML 2017, as we understand it. Chapter: *Convergence*.

    >>> at_target = population_gradient((1.0, -1.0), Teacher((1, -1), windows=2, stride=1))
    >>> bool(np.linalg.norm(at_target) < 1e-9)
    True
    """
    w = _filters(w, teacher)
    _require_directions(w)
    target, gradient = np.array(teacher.target, w.dtype), np.zeros_like(w)
    norms, length = np.linalg.norm(w, axis=-1, keepdims=True), np.linalg.norm(target)
    for share, shift in _lags(teacher):
        own, other = w @ shift.T.astype(w.dtype), shift.astype(w.dtype) @ target
        for sign, partner, size in ((1, own, norms), (-1, np.broadcast_to(other, w.shape), length)):
            cosine = np.clip((w * partner).sum(-1, keepdims=True) / (norms * size), -1, 1)
            sine = np.sqrt(1 - cosine**2)
            gradient += sign * share / np.pi * (size / norms * sine * w + (np.pi - np.arccos(cosine)) * partner)
    return gradient


def population_hessian(w: ArrayLike, teacher: Teacher) -> np.ndarray:
    """Compute the matrix of second derivatives of the population loss, exactly.

    Args:
        w: one filter of m numbers, not 0.
        teacher: the labels.

    Returns:
        The matrix, of shape (m, m): at a point without gradient, its eigenvalues tell a minimum from a saddle.

    Raises:
        WeightError: if the filter is 0, its shape does not fit, or an entry is NaN or infinite.

    Source: ours. Chapter: *Convergence*.

    >>> hessian = population_hessian((1.0, -1.0), Teacher((1, -1), windows=1, stride=1))
    >>> print(np.linalg.eigvalsh(hessian).round(6))
    [1. 1.]
    """
    w = _filters(w, teacher)
    if w.ndim != 1:
        raise WeightError(f"population_hessian takes one filter, and w has shape {w.shape}; call it for each filter")
    _require_directions(w)
    target, one = np.array(teacher.target, w.dtype), np.eye(len(w), dtype=w.dtype)
    length = np.linalg.norm(w)
    unit, hessian = w / length, np.zeros_like(one)
    for share, shift in _lags(teacher):
        both, other = (shift + shift.T).astype(w.dtype) / 2, shift.astype(w.dtype) @ target
        sine, angle, bend = _bending(unit, both @ unit)
        hessian += share / np.pi * (sine * one + (np.pi - angle) * both + 2 * bend)
        size = np.linalg.norm(target)
        sine, _, bend = _bending(unit, other / size)
        hessian -= share / np.pi * size / length * (sine * (one - np.outer(unit, unit)) + bend)
    return hessian


def best_on_ray(direction: ArrayLike, teacher: Teacher) -> tuple[np.ndarray, np.ndarray]:
    """Find the best filter on each ray from 0: there the loss is a quadratic function of the length.

        ℓ(t e) = K(e, e) t² − 2 K(e, w*) t + K(w*, w*),   least at t = K(e, w*) / K(e, e)

    Args:
        direction: e, of shape (..., m), none of them 0.
        teacher: the labels.

    Returns:
        The best multiples t, and the losses there, each of shape (...).

    Raises:
        WeightError: if a direction is 0, its shape does not fit, or an entry is NaN or infinite.

    Source: ours. Chapter: *Convergence*.

    >>> lengths, losses = best_on_ray([(1.0, -1.0), (-1.0, 1.0)], Teacher((1, -1), windows=2, stride=1))
    >>> print(lengths.round(6), losses.round(6))
    [1.       0.549142] [0.       0.387286]
    """
    e = _filters(direction, teacher)
    _require_directions(e)
    target = np.array(teacher.target, e.dtype)
    own, labels, common = (network_kernel(*pair, teacher) for pair in ((e, e), (target, target), (e, target)))
    return np.asarray(common / own), np.abs(labels - common**2 / own)  # never below 0 but for rounding


def saddle(teacher: Teacher) -> np.ndarray:
    """Return the only other point where a network without overlap has no gradient.

        w = −(k − 1) / (k − 1 + π) · w*

    Args:
        teacher: a network without overlap, of at least two windows.

    Returns:
        The filter, of shape (m,).

    Raises:
        ConvacError: if windows overlap, or there is only one.

    Source: Brutzkus & Globerson, ICML 2017, as we understand it. Chapter: *Convergence*.

    >>> print(saddle(Teacher((1, -1), windows=2, stride=2)).round(6))
    [-0.241453  0.241453]
    """
    if teacher.overlaps:
        raise ConvacError(
            f"the saddle is known in closed form without overlap, and stride {teacher.stride} is below "
            f"the window's {len(teacher.target)}; take a stride of at least {len(teacher.target)}"
        )
    if teacher.windows == 1:
        raise ConvacError("one window has its saddle at 0, where the loss has a kink; take at least two windows")
    k = teacher.windows
    return -(k - 1) / (k - 1 + np.pi) * np.array(teacher.target)


@dataclass(frozen=True)
class End:
    """A point where descents end.

    Attributes:
        filter: the point, of the first of these descents.
        loss: its population loss.
        count: how many descents end there.

    Chapter: *Convergence*.
    """

    filter: tuple[float, ...]
    loss: float
    count: int


@dataclass(frozen=True)
class Descents:
    """Where descents ended.

    Attributes:
        ends: the last filters, of shape (n, m).
        losses: their losses, of shape (n,).
        steps: how many steps each took, of shape (n,).
        finished: whether the gradient was small at the end, of shape (n,).

    Chapter: *Convergence*.
    """

    ends: np.ndarray
    losses: np.ndarray
    steps: np.ndarray
    finished: np.ndarray

    def groups(self, within: float = 0.01) -> list[End]:
        """Group the finished descents by their ends, the smallest loss first.

        Args:
            within: ends that differ by less than this are one.

        Returns:
            The ends, each an `End`.
        """
        found: list[End] = []
        left = self.ends[self.finished]
        losses = self.losses[self.finished]
        while len(left):
            near = np.linalg.norm(left - left[0], axis=1) < within
            found.append(End(tuple(map(float, left[0])), float(losses[0]), int(near.sum())))
            left, losses = left[~near], losses[~near]
        return sorted(found, key=lambda end: end.loss)


def draw_starts(teacher: Teacher, n: int, seed: int) -> np.ndarray:
    """Draw filters as long as the target, in uniform directions.

    Args:
        teacher: gives m and |w*|.
        n: how many.
        seed: of the draws.

    Returns:
        The filters, of shape (n, m).

    Raises:
        ConvacError: if n is no integer of at least 1, or the seed is none of at least 0.

    Source: none; ours. Chapter: *Convergence*.

    >>> starts = draw_starts(Teacher((3, 4), windows=2, stride=1), 2, seed=0)
    >>> print(np.linalg.norm(starts, axis=1).round(6))
    [5. 5.]
    """
    require_integers(n=n)
    require_integers(least=0, seed=seed)
    starts = np.random.default_rng(seed).standard_normal((n, len(teacher.target)))
    return np.asarray(starts * (np.linalg.norm(teacher.target) / np.linalg.norm(starts, axis=1, keepdims=True)))


def descend(
    starts: ArrayLike, teacher: Teacher, *, rate: float = 0.5, steps: int = 20_000, tolerance: float = TOLERANCE
) -> Descents:
    """Descend the population loss from many starts at once, until each gradient is small.

        w ← w − rate · ∇ℓ(w)

    Args:
        starts: filters of shape (n, m), none of them 0, float32 or float64.
        teacher: the labels.
        rate: the size of a step, above 0 and at most 1.
        steps: the most steps.
        tolerance: the norm of the gradient at which a descent stops.

    Returns:
        The `Descents`.

    Raises:
        WeightError: if a start is 0, a shape does not fit, or an entry is NaN or infinite.
        ConvacError: if the rate, the steps or the tolerance is out of range.

    Source: Brutzkus & Globerson, ICML 2017. Chapter: *Convergence*.

    >>> teacher = Teacher((1, -1), windows=2, stride=1)
    >>> [(end.count, round(end.loss, 4)) for end in descend([(1, 0.5), (-1, 0.9), (0.2, -2)], teacher).groups()]
    [(2, 0.0), (1, 0.3873)]
    """
    w = _filters(starts, teacher).copy()
    if w.ndim != 2:
        raise WeightError(f"starts must have shape (n, {len(teacher.target)}), one filter a row, not {w.shape}")
    _require_descent(w, rate, steps, tolerance)
    taken, active = np.zeros(len(w), int), np.arange(len(w))
    for _ in range(steps):
        gradient = population_gradient(w[active], teacher)
        moving = np.linalg.norm(gradient, axis=1) > tolerance
        active = active[moving]
        if not len(active):
            break
        w[active] -= w.dtype.type(rate) * gradient[moving]
        taken[active] += 1
    gradients = np.linalg.norm(population_gradient(w, teacher), axis=1)
    return Descents(w, population_loss(w, teacher), taken, gradients <= tolerance)


def descent_path(
    start: ArrayLike, teacher: Teacher, *, rate: float = 0.5, steps: int = 2000, tolerance: float = TOLERANCE
) -> np.ndarray:
    """Descend from one start, and keep every filter on the way.

    Args:
        start: a filter of m numbers, not 0.
        teacher: the labels.
        rate: the size of a step, above 0 and at most 1.
        steps: the most steps.
        tolerance: the norm of the gradient at which the descent stops.

    Returns:
        The filters from the start to the end, of shape (steps taken + 1, m).

    Raises:
        WeightError: if the start is 0, its shape does not fit, or an entry is NaN or infinite.
        ConvacError: if the rate, the steps or the tolerance is out of range.

    Source: none; ours. Chapter: *Convergence*.

    >>> path = descent_path((-1.0, 0.9), Teacher((1, -1), windows=2, stride=1))
    >>> print(path[0], path[-1].round(3))
    [-1.   0.9] [-0.549  0.549]
    """
    w = _filters(start, teacher)
    if w.ndim != 1:
        raise WeightError(f"descent_path takes one start, and its shape is {w.shape}; use descend for many")
    _require_descent(w, rate, steps, tolerance)
    path = [w]
    for _ in range(steps):
        gradient = population_gradient(path[-1], teacher)
        if np.linalg.norm(gradient) <= tolerance:
            break
        path.append(path[-1] - w.dtype.type(rate) * gradient)
    return np.stack(path)


def _unit_kernel(cosine: np.ndarray) -> np.ndarray:
    """Compute g for unit vectors at an angle of this cosine."""
    cosine = np.clip(cosine, -1, 1)
    return np.asarray((np.sqrt(1 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine) / (2 * np.pi))


def _bending(unit: np.ndarray, other: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return sin θ, θ, and how the gradient bends as the angle θ between a unit vector and another changes."""
    cosine = min(1.0, max(-1.0, float(unit @ other)))
    sine, rest = sqrt(1 - cosine**2), other - cosine * unit
    bend = np.outer(rest, rest) / sine if sine > 1e-6 else np.zeros((len(unit), len(unit)), unit.dtype)
    return sine, float(np.arccos(cosine)), bend


@cache
def _lags(teacher: Teacher) -> tuple[tuple[float, np.ndarray], ...]:
    """List the share of the pairs of windows at every distance, and the matrix that moves a filter by it.

    All pairs without a common input come together, with the matrix 0.
    """
    k, m = teacher.windows, len(teacher.target)
    near = min(k - 1, (m - 1) // teacher.stride)
    lags = [((k - abs(lag)) / k**2, np.eye(m, k=lag * teacher.stride)) for lag in range(-near, near + 1)]
    apart = (k - 1 - near) * (k - near)
    return (*lags, (apart / k**2, np.zeros((m, m)))) if apart else tuple(lags)


def _numbers(name: str, value: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(value)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(float)
    except (TypeError, ValueError):
        raise WeightError(f"{name} must be an array of real numbers, not {shown(value)}") from None
    if not np.isfinite(array).all():
        raise WeightError(f"{name} contains NaN or infinity, for which no loss is defined; replace these entries")
    return array


def _filters(w: ArrayLike, teacher: Teacher) -> np.ndarray:
    array, m = _numbers("w", w), len(teacher.target)
    if array.shape[-1:] != (m,):
        raise WeightError(
            f"the teacher's filter has {m} entries, and w has shape {array.shape}; its last axis must be {m}"
        )
    return array


def _require_directions(w: np.ndarray) -> None:
    if not np.linalg.norm(w, axis=-1).all():
        raise WeightError("w is 0, where the loss has a kink and no gradient; start from a filter that is not 0")


def _require_descent(w: np.ndarray, rate: float, steps: int, tolerance: float) -> None:
    _require_directions(w)
    require_integers(steps=steps)
    if not 0 < rate <= 1:
        raise ConvacError(
            f"the rate must be above 0 and at most 1, not {shown(rate)}; with a larger one, steps may overshoot"
        )
    least = 1e-5 if w.dtype == np.float32 else 1e-13
    if not (least <= tolerance and isfinite(tolerance)):
        raise ConvacError(
            f"the tolerance must be at least {least:g}, because a gradient in {w.dtype} is rounded, "
            f"not {shown(tolerance)}; raise it"
        )
