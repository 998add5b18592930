"""Convergence: closed forms against samples, integrals and differences; where descents end, and the record of it."""

import importlib.util
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from convac_lib.errors import ConvacError, WeightError
from convac_lib.files import results_path
from convac_lib.related.convergence import (
    Teacher,
    best_on_ray,
    descend,
    descent_path,
    draw_starts,
    kernel,
    network_kernel,
    output,
    population_gradient,
    population_hessian,
    population_loss,
    saddle,
)

SINE, TURN = np.sqrt(3) / 2, np.pi / 3
C = (SINE + TURN) / (np.pi + SINE - TURN / 2)  # the bad minimum is at −C w*
TOOL = Path(__file__).resolve().parents[2] / "tools/convergence.py"
RECORD = [json.loads(line) for line in results_path("convergence.jsonl").read_text("utf-8").splitlines()]


@st.composite
def teachers(draw):
    m = draw(st.integers(1, 4))
    target = draw(st.lists(st.integers(-3, 3), min_size=m, max_size=m).filter(any))
    return Teacher(tuple(target), draw(st.integers(1, 5)), draw(st.integers(1, 5)))


def placed(w, teacher):
    """The filter in each window, as vectors over all inputs, of shape (k, inputs)."""
    rows = np.zeros((teacher.windows, teacher.inputs))
    for i in range(teacher.windows):
        rows[i, i * teacher.stride : i * teacher.stride + len(w)] = w
    return rows


def loss_by_pairs(w, teacher):
    """The loss as the sum over all pairs of windows, by the kernel alone."""
    U, V = placed(w, teacher), placed(teacher.target, teacher)
    return sum(
        kernel(U[i], U[j]) + kernel(V[i], V[j]) - 2 * kernel(U[i], V[j])
        for i, j in product(range(teacher.windows), repeat=2)
    ) / (teacher.windows**2)


@pytest.mark.parametrize(
    ("angle", "value"),
    [(0, 1 / 2), (1 / 3, (SINE + TURN) / (2 * np.pi)), (1 / 2, 1 / (2 * np.pi)), (2 / 3, 0.054499), (1, 0)],
)
def test_the_kernel_of_unit_vectors(angle, value):
    v = np.cos(np.pi * angle), np.sin(np.pi * angle)
    assert kernel((1, 0), v) == pytest.approx(value, abs=1e-6)


@given(st.floats(0, np.pi), st.floats(0.1, 5), st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_the_kernel_is_the_integral_over_directions(angle, one, other):
    """In polar coordinates E r² = 2, and the direction is uniform."""
    u, v = (one, 0.0), (other * np.cos(angle), other * np.sin(angle))

    def both(a):
        x = np.cos(a), np.sin(a)
        return max(0, np.dot(u, x)) * max(0, np.dot(v, x))

    integral, _ = quad(both, -np.pi, np.pi, points=(-np.pi / 2, np.pi / 2, angle - np.pi / 2), limit=200)
    assert kernel(u, v) == pytest.approx(2 * integral / (2 * np.pi), abs=1e-6)


@pytest.mark.parametrize(("k", "s"), [(2, 3), (4, 3), (2, 1), (3, 1), (3, 2)])
def test_the_loss_is_the_mean_over_samples(k, s):
    teacher, w = Teacher((1, -2, 1), k, s), np.array([0.4, 0.3, -1.1])
    x = np.random.default_rng(k + s).standard_normal((200_000, teacher.inputs))
    errors = (output(x, w, teacher) - output(x, teacher.target, teacher)) ** 2
    assert abs(errors.mean() - population_loss(w, teacher)) < 4 * errors.std() / np.sqrt(len(x))


@given(teachers(), st.integers(0, 10**6))
@settings(deadline=None)
def test_the_loss_is_the_sum_over_pairs_of_windows(teacher, seed):
    w = np.random.default_rng(seed).standard_normal((3, len(teacher.target)))
    expected = [loss_by_pairs(each, teacher) for each in w]
    assert population_loss(w, teacher) == pytest.approx(expected, abs=1e-9)
    assert population_loss(teacher.target, teacher) < 1e-9


@given(teachers(), st.integers(0, 10**6))
@settings(deadline=None)
def test_derivatives_are_limits_of_differences(teacher, seed):
    w, step = np.random.default_rng(seed).standard_normal(len(teacher.target)) + 0.01, 1e-5
    nudges = step * np.eye(len(w))
    by_loss = (population_loss(w + nudges, teacher) - population_loss(w - nudges, teacher)) / (2 * step)
    assert population_gradient(w, teacher) == pytest.approx(by_loss, abs=1e-5)
    cosines = [np.abs(np.dot(w, v)) / np.linalg.norm(w) / np.linalg.norm(v) for v in (teacher.target,)]
    if max(cosines) < 0.999:  # where the angle is 0 or π, the differences of the gradient have a kink
        by_gradient = (population_gradient(w + nudges, teacher) - population_gradient(w - nudges, teacher)) / (2 * step)
        assert population_hessian(w, teacher) == pytest.approx(by_gradient, abs=1e-3)


@given(teachers(), st.integers(0, 10**6), st.floats(0.01, 4))
@settings(deadline=None)
def test_on_a_ray_the_loss_is_quadratic_and_least_where_it_says(teacher, seed, t):
    e = np.random.default_rng(seed).standard_normal(len(teacher.target))
    (best, least), own = best_on_ray(e, teacher), network_kernel(e, e, teacher)
    assert population_loss(t * e, teacher) == pytest.approx(float(least + own * (t - best) ** 2), abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_filter_is_kept(dtype):
    teacher = Teacher((1, -1), 3, 1)
    w = np.array([[0.3, 0.8], [-1, 0.2]], dtype)
    for found in (population_loss(w, teacher), population_gradient(w, teacher), population_hessian(w[0], teacher)):
        assert found.dtype == dtype
    found = descend(w, teacher, tolerance=1e-5)
    assert found.ends.dtype == dtype and found.finished.all()
    exact = descend(w.astype(np.float64), teacher)
    assert found.ends == pytest.approx(exact.ends, abs=1e-3)


# Without overlap


@given(teachers(), st.integers(0, 10**6))
@settings(deadline=None)
def test_without_overlap_only_the_angle_and_the_length_count(teacher, seed):
    teacher = Teacher(teacher.target, teacher.windows, len(teacher.target))
    w, k = np.random.default_rng(seed).standard_normal(len(teacher.target)), teacher.windows
    one, other = np.linalg.norm(w), np.linalg.norm(teacher.target)
    alone = (one**2 + other**2) / 2 - 2 * kernel(w, teacher.target)
    expected = ((k**2 - k) / (2 * np.pi) * (one - other) ** 2 + k * alone) / k**2
    assert population_loss(w, teacher) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("k", "factor"), [(2, -0.241453), (4, -0.488473), (16, -0.826829)])
@pytest.mark.parametrize("target", [(1, -1), (1, -2, 1), (0.5, 0, 3, -1)])
def test_the_saddle_is_degenerate_and_lower_on_the_way_to_the_target(k, factor, target):
    teacher = Teacher(target, k, len(target))
    point = saddle(teacher)
    assert point == pytest.approx(factor * np.array(target), abs=1e-5)
    assert np.linalg.norm(population_gradient(point, teacher)) < 1e-12
    eigenvalues = np.linalg.eigvalsh(population_hessian(point, teacher))
    assert eigenvalues[:-1] == pytest.approx(0, abs=1e-6) and eigenvalues[-1] > 0.1
    aside = point + 0.3 * np.eye(len(target))[0]
    assert best_on_ray(aside, teacher)[1] < population_loss(point, teacher) - 1e-6


@pytest.mark.parametrize("k", [1, 2, 8])
def test_without_overlap_the_best_loss_of_a_ray_grows_with_its_angle(k):
    angles = np.linspace(0, np.pi, 181)
    _, losses = best_on_ray(np.stack([np.cos(angles), np.sin(angles)], axis=1), Teacher((2, 0), k, 2))
    assert (np.diff(losses) > 0).all() and losses[0] < 1e-9


def test_the_angle_to_the_target_falls_at_every_step_without_overlap():
    teacher = Teacher((1, -2, 1), 3, 3)
    for start in draw_starts(teacher, 20, seed=1):
        path = descent_path(start, teacher)
        angles = np.arccos(np.clip(path @ teacher.target / np.linalg.norm(path, axis=1) / np.sqrt(6), -1, 1))
        assert (np.diff(angles) < 1e-7).all() and path[-1] == pytest.approx(teacher.target, abs=1e-6)


# With overlap


def test_the_bad_minimum_in_closed_form():
    teacher, w = Teacher((1, -1), 2, 1), C * np.array([-1, 1])
    assert C == pytest.approx(0.549142, abs=1e-6)
    assert np.linalg.norm(population_gradient(w, teacher)) < 1e-12
    A = 2 + 2 * (SINE - np.pi / 6) / np.pi
    assert population_loss(w, teacher) == pytest.approx(A * (1 - C**2) / 4)
    assert A * (1 - C**2) / 4 == pytest.approx(0.387286, abs=1e-6)
    bend = 2 * (1 / (2 * np.sqrt(3)) - TURN) / (SINE + TURN) - 4 / 3 / A  # (B²/A)'' / (B²/A) along the angle
    assert bend < 0
    assert np.linalg.eigvalsh(population_hessian(w, teacher)) == pytest.approx([-A * bend / 8, A / 4], abs=1e-7)


@pytest.mark.parametrize("k", [2, 3, 4, 8, 64, 256])
def test_the_minimum_opposite_to_the_target_exists_for_every_number_of_windows_tried(k):
    teacher = Teacher((1, -1), k, 1)
    factor = (2 * (k - 1) * (SINE + TURN) + (k - 1) * (k - 2)) / (
        k * np.pi + 2 * (k - 1) * (SINE - TURN / 2) + (k - 1) * (k - 2)
    )
    assert best_on_ray((-1, 1), teacher)[0] == pytest.approx(factor)
    w = factor * np.array([-1, 1])
    assert np.linalg.norm(population_gradient(w, teacher)) < 1e-9
    assert np.linalg.eigvalsh(population_hessian(w, teacher))[0] > 1e-3


@given(teachers())
@settings(deadline=None)
def test_the_loss_of_the_flipped_filter_is_that_of_a_sum(teacher):
    """relu(z) − relu(−z) = z, so the outputs differ by (1/k) Σ w* · window, of which the variance is known."""
    total = placed(teacher.target, teacher).sum(0)
    flipped = -np.array(teacher.target)
    assert population_loss(flipped, teacher) == pytest.approx(total @ total / teacher.windows**2, abs=1e-9)


@pytest.mark.parametrize("k", [2, 4, 8, 32])
def test_the_loss_of_the_shifted_filter(k):
    assert population_loss((0, 1), Teacher((1, 0), k, 1)) == pytest.approx((1 - 1 / np.pi) / k**2)


@given(teachers(), st.integers(0, 10**6))
@settings(deadline=None)
def test_the_loss_has_the_symmetries_of_the_proof(teacher, seed):
    """Reverse the inputs, or change their signs: their distribution stays."""
    w = np.random.default_rng(seed).standard_normal(len(teacher.target))
    loss = population_loss(w, teacher)
    turned = Teacher(teacher.target[::-1], teacher.windows, teacher.stride)
    negative = Teacher(tuple(-each for each in teacher.target), teacher.windows, teacher.stride)
    assert population_loss(w[::-1], turned) == pytest.approx(loss, abs=1e-9)
    assert population_loss(-w, negative) == pytest.approx(loss, abs=1e-9)


# Descents


def test_a_path_is_what_descend_does():
    teacher = Teacher((1, -1), 4, 1)
    starts = draw_starts(teacher, 5, seed=3)
    found = descend(starts, teacher)
    for start, end, loss, steps in zip(starts, found.ends, found.losses, found.steps):
        path = descent_path(start, teacher)
        assert len(path) == steps + 1 and path[-1] == pytest.approx(end, abs=1e-12)
        assert (np.diff(population_loss(path, teacher)) < 1e-12).all()
        assert loss == population_loss(end, teacher)


def test_a_descent_that_runs_out_of_steps_is_not_counted():
    found = descend([(-1, 1.001), (1, 0)], Teacher((1, -1), 2, 2), steps=100)
    assert found.finished.tolist() == [False, True] and found.steps[0] == 100
    (end,) = found.groups()
    assert end.count == 1 and end.filter == pytest.approx((1, -1), abs=1e-6)


def test_starts_are_as_long_as_the_target_and_follow_the_seed():
    teacher = Teacher((3, 4), 2, 1)
    starts = draw_starts(teacher, 100, seed=5)
    assert np.linalg.norm(starts, axis=1) == pytest.approx(5)
    assert (starts == draw_starts(teacher, 100, seed=5)).all() and (starts != draw_starts(teacher, 100, seed=6)).any()


# The record


def command():
    spec = importlib.util.spec_from_file_location("count_ends", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_record_has_each_setting_three_times():
    found = [(tuple(line["target"]), line["windows"], line["stride"], line["seed"]) for line in RECORD]
    assert sorted(found) == sorted((*setting, seed) for setting in command().SETTINGS for seed in range(3))


@pytest.mark.parametrize("line", RECORD, ids=lambda line: "-".join(map(str, (*line["target"], line["windows"]))))
def test_the_recorded_ends_have_no_gradient_and_their_loss(line):
    teacher = Teacher(tuple(line["target"]), line["windows"], line["stride"])
    assert sum(end["count"] for end in line["ends"]) + line["unfinished"] == line["starts"] == 1000
    assert line["unfinished"] <= 2
    for end in line["ends"]:
        assert np.linalg.norm(population_gradient(end["filter"], teacher)) < 2e-3
        assert population_loss(end["filter"], teacher) == pytest.approx(end["loss"], abs=1e-5)
    if teacher.overlaps:
        assert all(np.linalg.eigvalsh(population_hessian(end["filter"], teacher))[0] > 1e-3 for end in line["ends"])
    else:  # a start beside the ray of the saddle may stop there
        first, *others = line["ends"]
        assert first["filter"] == line["target"] and first["count"] >= 998
        assert all(other["filter"] == pytest.approx(saddle(teacher), abs=1e-3) for other in others)


@pytest.mark.parametrize("setting", [((1, -1), 2, 1), ((1, 0), 8, 1)])
def test_the_command_counts_what_the_record_says(setting):
    (line,) = (
        line
        for line in RECORD
        if (tuple(line["target"]), line["windows"], line["stride"]) == setting and line["seed"] == 0
    )
    assert command().count(Teacher(*setting), seed=0) == {name: line[name] for name in ("ends", "unfinished")}


# Errors

TWO = Teacher((1, -1), 2, 1)
NAN = float("nan")
CLOSED_FORM = (
    "the saddle is known in closed form without overlap, and stride 1 is below the window's 2; "
    "take a stride of at least 2"
)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (
            lambda: Teacher((0, 0), 2, 1),
            WeightError,
            "the target is 0, so it labels every input 0 and teaches no direction; give one that is not 0",
        ),
        (
            lambda: Teacher(((1, 2),), 2, 1),
            WeightError,
            "the target must be a vector of at least one number, and its shape is (1, 2); write it as in (1, -1)",
        ),
        (
            lambda: Teacher((1, NAN), 2, 1),
            WeightError,
            "the target contains NaN or infinity, for which no loss is defined; replace these entries",
        ),
        (
            lambda: Teacher(("a", "b"), 2, 1),
            WeightError,
            "the target must be an array of real numbers, not ('a', 'b')",
        ),
        (lambda: Teacher((1, -1), 0, 1), ConvacError, "windows must be an integer of at least 1, not 0"),
        (lambda: Teacher((1, -1), 2, 0.5), ConvacError, "stride must be an integer of at least 1, not 0.5"),
        (
            lambda: kernel((1, 2), (1, 2, 3)),
            WeightError,
            "u and v must have equally many entries, and their shapes are (2,) and (3,); cut or pad one",
        ),
        (
            lambda: output(np.ones(4), (1, -1), TWO),
            WeightError,
            "2 windows of 2 with stride 1 read 3 inputs, and x has shape (4,); its last axis must be 3",
        ),
        (
            lambda: output(np.ones(3), [(1, -1)], TWO),
            WeightError,
            "output takes one filter, and w has shape (1, 2); call it for each filter",
        ),
        (
            lambda: population_loss((1, 2, 3), TWO),
            WeightError,
            "the teacher's filter has 2 entries, and w has shape (3,); its last axis must be 2",
        ),
        (
            lambda: population_loss((1, NAN), TWO),
            WeightError,
            "w contains NaN or infinity, for which no loss is defined; replace these entries",
        ),
        (
            lambda: population_gradient([(1, 2), (0, 0)], TWO),
            WeightError,
            "w is 0, where the loss has a kink and no gradient; start from a filter that is not 0",
        ),
        (
            lambda: population_hessian([(1, 2)], TWO),
            WeightError,
            "population_hessian takes one filter, and w has shape (1, 2); call it for each filter",
        ),
        (
            lambda: descend((1, 2), TWO),
            WeightError,
            "starts must have shape (n, 2), one filter a row, not (2,)",
        ),
        (
            lambda: descent_path([(1, 2)], TWO),
            WeightError,
            "descent_path takes one start, and its shape is (1, 2); use descend for many",
        ),
        (lambda: descend([(1, 2)], TWO, steps=0), ConvacError, "steps must be an integer of at least 1, not 0"),
        (
            lambda: descend([(1, 2)], TWO, rate=1.5),
            ConvacError,
            "the rate must be above 0 and at most 1, not 1.5; with a larger one, steps may overshoot",
        ),
        (
            lambda: descend(np.ones((1, 2), np.float32), TWO),
            ConvacError,
            "the tolerance must be at least 1e-05, because a gradient in float32 is rounded, not 1e-09; raise it",
        ),
        (
            lambda: saddle(TWO),
            ConvacError,
            CLOSED_FORM,
        ),
        (
            lambda: saddle(Teacher((1, -1), 1, 2)),
            ConvacError,
            "one window has its saddle at 0, where the loss has a kink; take at least two windows",
        ),
        (lambda: draw_starts(TWO, 0, seed=0), ConvacError, "n must be an integer of at least 1, not 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value) == sentence
