"""evaluate: a generation at once is each network alone, with once-for-all's BatchNorm statistics."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regnas_core import Evaluator, SuperNet, get_space
from regnas_core.errors import DataError, GeneError, PredictionError, RegnasError
from regnas_core.evaluation import evaluator as evaluate
from regnas_core.evaluation import folding, trie
from regnas_core.spaces.arch import Arch
from regnas_core.spaces.steps import Activation, BatchNorm, Conv, Region
from regnas_core.supernets import layers

SHAPE, CLASSES = (2, 16, 16), 7
OPTIONS = {"image": SHAPE, "classes": CLASSES, "stem": 4, "head": 16, "widths": (6, 8, 8), "kernels": (3, 5)}


@pytest.fixture(scope="module")
def net(lively) -> SuperNet:
    return lively.net("mini", **OPTIONS).to(torch.float64)


@pytest.fixture(scope="module")
def calibration(lively) -> np.ndarray:
    return lively.pictures(50, SHAPE, seed=1)


@pytest.fixture(scope="module")
def archs(net) -> list[Arch]:
    """A generation with long common prefixes, and some others."""
    rng, space = np.random.default_rng(0), net.space
    first = space.sample(rng)
    return [first, *(space.mutate(first, rng, 0.15) for _ in range(5)), space.smallest, space.largest]


@pytest.fixture(scope="module")
def evaluator(net, calibration) -> Evaluator:
    return Evaluator(net, calibration, device="cpu", calibration_batch=20, batch_size=8)


@pytest.fixture(scope="module")
def images(lively) -> np.ndarray:
    return lively.pictures(29, SHAPE, seed=2)  # three batches of 8 and one of 5


@pytest.fixture(scope="module")
def expected(evaluator, archs, images) -> np.ndarray:
    """What most tests compare with."""
    return evaluator.predict(archs, images)


def margins(logits: Tensor) -> Tensor:
    """How far the first class is ahead of the second: (N,)."""
    return logits.topk(2).values.diff().abs().flatten()


def recalibrated(
    net: SuperNet, arch: Arch, calibration: np.ndarray, batch: int
) -> list[tuple[Tensor, Tensor]]:
    """Once-for-all's rule, plainly: batch by batch through a plain module that normalises by its batch, the
    means and biased variances that each BatchNorm sees averaged with the batches' sizes as weights."""
    module, sums = net.extract(arch), {}

    def hook(layer: nn.BatchNorm2d, inputs: tuple[Tensor], _) -> Tensor:
        (x,) = inputs
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        old = sums.get(layer, (0, 0, 0))
        sums[layer] = (old[0] + len(x) * mean, old[1] + len(x) * var, old[2] + len(x))
        return F.batch_norm(x, mean, var, layer.weight, layer.bias, training=False, eps=layer.eps)

    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_hook(hook)
    with torch.no_grad():
        for start in range(0, len(calibration), batch):
            module(net.normalise(torch.from_numpy(calibration[start : start + batch])))
    return [(mean / n, var / n) for mean, var, n in sums.values()]


def logits_alone(net: SuperNet, evaluator: Evaluator, arch: Arch, images: np.ndarray) -> Tensor:
    with torch.no_grad():
        return evaluator.extract(arch)(net.normalise(torch.from_numpy(images)))


# ── the same numbers as the plain way ────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.parametrize("batch", [20, 25, 64])  # of 50 images: the last of 20, 20 and 10 weighs less
def test_statistics_are_once_for_alls(net, archs, calibration, batch):
    evaluator = Evaluator(net, calibration, device="cpu", calibration_batch=batch)
    for arch in archs:
        module = evaluator.extract(arch)
        assert not module.training
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        for layer, (mean, var) in zip(norms, recalibrated(net, arch, calibration, batch), strict=True):
            torch.testing.assert_close(layer.running_mean, mean, rtol=0, atol=1e-10)
            torch.testing.assert_close(layer.running_var, var, rtol=1e-10, atol=1e-10)


def test_predictions_of_a_generation_are_those_of_each_network_alone(net, evaluator, archs, images):
    together = evaluator.predict(archs, images)
    assert together.shape == (len(archs), 29) and together.dtype == np.int64
    assert len(np.unique(together)) == CLASSES  # not one class for everything
    assert len(np.unique(together, axis=0)) == len(set(archs))
    for row, arch in zip(together, archs, strict=True):
        assert (row == evaluator.predict([arch], images)[0]).all()
        logits = logits_alone(net, evaluator, arch, images)
        assert margins(logits).min() > 1e-9
        assert (row == logits.argmax(1).numpy()).all()


@pytest.mark.slow
def test_predictions_in_single_precision_differ_at_ties_alone(net, archs, images, calibration):
    single = net.to(torch.float32)
    evaluator = Evaluator(single, calibration, device="cpu", calibration_batch=20, batch_size=8)
    together, clear = evaluator.predict(archs, images), 0
    for row, arch in zip(together, archs, strict=True):
        logits = logits_alone(single, evaluator, arch, images)
        sure = (margins(logits) > 1e-3).numpy()
        clear += sure.sum()
        assert (row == logits.argmax(1).numpy())[sure].all()
        assert (row == evaluator.predict([arch], images)[0])[sure].all()
    assert clear > 0.95 * together.size


def test_order_and_repetition_change_nothing(evaluator, archs, images, expected):
    order = np.random.default_rng(3).integers(len(archs), size=20)
    assert (evaluator.predict([archs[i] for i in order], images) == expected[order]).all()


@pytest.mark.slow
def test_batches_change_nothing_about_predictions(net, evaluator, archs, images, calibration, expected):
    for size in (1, 29, 1000):
        other = Evaluator(net, calibration, device="cpu", calibration_batch=20, batch_size=size)
        assert (other.predict(archs, images) == expected).all()
    part = evaluator.predict(archs, images[7:12])
    assert (part == expected[:, 7:12]).all()


@pytest.mark.slow
def test_images_may_be_bytes_or_normalised_floats_of_numpy_or_torch(
    net, evaluator, archs, images, calibration, expected
):
    floats = net.normalise(torch.from_numpy(images))
    floats_before, bytes_before = floats.clone(), images.copy()
    other = Evaluator(
        net, net.normalise(torch.from_numpy(calibration)), device="cpu", calibration_batch=20, batch_size=8
    )
    for given in (torch.from_numpy(images), floats, floats.numpy()):
        for chosen in (evaluator, other):
            assert (chosen.predict(archs, given) == expected).all()
    assert floats.equal(floats_before) and (images == bytes_before).all()  # inputs are left as they are


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_of_any_precision_are_taken_in_that_of_the_weights(net, archs, images, calibration, dtype):
    """NumPy makes float64 unless told otherwise; weights are float32 unless told otherwise."""
    net = net.to(dtype)
    pixels, shown = (net.normalise(torch.from_numpy(x)).float().numpy() for x in (calibration, images))
    predicted, moments = [], []
    for given in (np.float32, np.float64):
        evaluator = Evaluator(net, pixels.astype(given), device="cpu", calibration_batch=20, batch_size=8)
        predicted.append(evaluator.predict(archs, shown.astype(given)))
        layers = [m for m in evaluator.extract(archs[0]).modules() if isinstance(m, nn.BatchNorm2d)]
        moments.append(torch.cat([torch.cat((m.running_mean, m.running_var)) for m in layers]))
    assert (predicted[0] == predicted[1]).all() and len(np.unique(predicted[0])) == CLASSES
    assert moments[0].dtype == dtype and moments[0].equal(moments[1])


@pytest.mark.slow
def test_images_that_may_not_be_written_are_read(net, evaluator, archs, images, calibration, expected):
    """And without a warning, which pytest makes an error here; as of a file, or of np.broadcast_to."""
    locked, floats = images.copy(), net.normalise(torch.from_numpy(images)).numpy()
    for array in (locked, floats):
        array.flags.writeable = False
        assert (evaluator.predict(archs, array) == expected).all()
    assert (locked == images).all() and not locked.flags.writeable
    pictures = calibration.copy()
    pictures.flags.writeable = False
    other = Evaluator(net, pictures, device="cpu", calibration_batch=20, batch_size=8)
    assert (other.predict(archs, images) == expected).all()
    repeated = other.predict(archs, np.broadcast_to(images[3], (5, *SHAPE)))
    assert (repeated == expected[:, [3] * 5]).all()


def test_no_networks_have_no_predictions(evaluator, images):
    assert evaluator.predict([], images).shape == (0, 29)


# ── every distinct prefix runs once ──────────────────────────────────────────────────────────────
def test_each_distinct_prefix_runs_once_a_batch(net, evaluator, archs, images, monkeypatch):
    generation = [*archs, archs[0], archs[2]]
    paths = [net.space.steps(arch) for arch in generation]
    prefixes = {path[: i + 1] for path in paths for i in range(len(path))}
    assert len(prefixes) < 0.6 * sum(map(len, paths))
    measured, predicted = Counter(), Counter()
    bind, run_together, fold = evaluate.bind, evaluate.run_together, evaluate.fold
    key_of = {step.ops: step.key for path in paths for step in path}

    class Bound(list):
        key = None

    def keyed_bind(ops, weights):
        bound = Bound(bind(ops, weights))
        bound.key = key_of[ops]
        return bound

    def counted_run(layers, *args):
        measured[layers.key] += 1
        return run_together(layers, *args)

    def counted_fold(layers, *args):
        def count(x: Tensor) -> Tensor:
            predicted[layers.key] += 1
            return x

        return [count, *fold(layers, *args)]

    monkeypatch.setattr(evaluate, "bind", keyed_bind)
    monkeypatch.setattr(evaluate, "run_together", counted_run)
    monkeypatch.setattr(evaluate, "fold", counted_fold)
    evaluator.predict(generation, images)
    once = Counter(prefix[-1].key for prefix in prefixes)
    assert measured == Counter({key: 3 * n for key, n in once.items()})  # 50 images, 20 a batch
    assert predicted == Counter({key: 4 * n for key, n in once.items()})  # 29 images, 8 a batch


@pytest.mark.slow
@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_predictions_do_not_depend_on_the_memory_that_folded_weights_may_take(
    net, archs, images, calibration, expected, share
):
    generation = [*archs, archs[1]]
    root = trie.build_trie([net.space.steps(arch) for arch in generation])
    every = sum(node.size for node in root.walk())
    limit = int(share * every)
    found = list(trie.portions(root, limit))
    assert len(found) > 1 and set().union(*found) == set(root.walk())
    for portion in found:
        largest = max(sum(node.size for node in path) for path in root.paths())
        assert sum(node.size for node in portion) <= max(limit, largest)
    parts = Evaluator(net, calibration, calibration_batch=20, device="cpu", memory=limit * 8)
    np.testing.assert_array_equal(parts.predict(generation, images), [*expected, expected[1]])


def test_the_batch_size_can_be_measured(net, archs, images, calibration, expected, monkeypatch):
    monkeypatch.setattr(evaluate, "CANDIDATES", (4, 8, 16))
    tuned = Evaluator(net, calibration, calibration_batch=20, device="cpu", batch_size="auto")
    root = tuned._calibrated(archs)
    assert tuned._tuned(root, tuned._resident(images), map) in (4, 8, 16)
    assert not any(node.layers for node in root.walk())
    np.testing.assert_array_equal(tuned.predict(archs, images), expected)


def test_predictions_in_bfloat16_differ_little_and_statistics_not_at_all(net, archs, images, calibration):
    single = net.to(torch.float32)
    exact, rough = (
        Evaluator(single, calibration, calibration_batch=20, device="cpu", dtype=dtype)
        for dtype in (None, torch.bfloat16)
    )
    a, b = exact.predict(archs, images), rough.predict(archs, images)
    assert (a == b).mean() > 0.8
    pairs = zip(exact._calibrated(archs).walk(), rough._calibrated(archs).walk(), strict=True)
    assert all(
        torch.equal(m, n)
        for x, y in pairs
        for p, q in zip(x.moments, y.moments, strict=True)
        for m, n in zip(p, q, strict=True)
    )


def test_the_trie_holds_every_network_under_its_own_steps(net, archs):
    paths = [net.space.steps(arch) for arch in [*archs, archs[0]]]
    root = trie.build_trie(paths)
    rows = []

    def descend(node: trie.Node, path: tuple) -> None:
        for row in node.rows:
            assert paths[row] == path
            rows.append(row)
        for step, child in node.children.items():
            assert child.step == step
            descend(child, (*path, step))

    descend(root, ())
    assert sorted(rows) == list(range(len(paths)))


def test_a_batchnorm_that_follows_no_convolution_is_not_folded():
    """As in pre-activation networks: relu(norm(x)), then a convolution with its own norm."""
    conv = Conv(Region.leading("c", 3, 2, 3, 3))
    ops = (BatchNorm("a", 2), Activation(), conv, BatchNorm("b", 3))
    generator = torch.Generator().manual_seed(0)
    weights = {r.tensor: torch.rand(r.shape, generator=generator) for op in ops for r in op.regions}
    moments = [(torch.rand(n, generator=generator), torch.rand(n, generator=generator)) for n in (2, 3)]
    x = torch.randn(4, 2, 5, 5, generator=generator)
    y = x
    for layer in folding.fold(layers.bind(ops, weights), iter(moments)):
        y = layer(y)
    (m0, v0), (m1, v1) = moments
    z = F.relu(F.batch_norm(x, m0, v0, weights["a.weight"], weights["a.bias"]))
    z = F.batch_norm(F.conv2d(z, weights["c"], padding=1), m1, v1, weights["b.weight"], weights["b.bias"])
    torch.testing.assert_close(y, z)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("shape", [(4, 1, 16, 16), (4, 2, 16, 15), (2, 16, 16), (0, 2, 16, 16)])
def test_images_of_another_shape_are_refused(net, evaluator, archs, shape):
    message = rf"Images have shape \({', '.join(map(str, shape))}\); mini takes .*2, 16, 16"
    with pytest.raises(DataError, match=message):
        evaluator.predict(archs, np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=message):
        Evaluator(net, torch.zeros(shape, dtype=torch.uint8), device="cpu")


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint16, np.bool_])
def test_integers_other_than_bytes_are_refused(net, evaluator, archs, dtype):
    """Scaled or not? Nobody can tell."""
    whole = np.ones((4, *SHAPE), dtype)
    name = np.dtype(dtype).name
    message = rf"Images are torch\.{name}; give uint8 \(0 to 255\), or floats that are normalised"
    for images in (whole, torch.from_numpy(whole)):
        with pytest.raises(DataError, match=message):
            evaluator.predict(archs, images)
        with pytest.raises(DataError, match=message):
            Evaluator(net, images, device="cpu")


def test_architectures_of_another_space_are_refused(net, evaluator, images):
    """Of other strides, its genes would fit, and its predictions be those of another network."""
    options = OPTIONS | {"strides": (2, 1, 1)}
    stranger = get_space("mini", **options).smallest
    for use in (
        lambda: evaluator.predict([stranger], images),
        lambda: evaluator.extract(stranger),
        lambda: net.forward(stranger, net.normalise(torch.from_numpy(images))),
        lambda: net.extract(stranger),
    ):
        with pytest.raises(GeneError, match=r"An architecture of mini\(.*strides=\(2, 1, 1\).* was given to"):
            use()


def test_logits_that_are_not_finite_are_an_error_of_the_networks_that_have_them(net, images, calibration):
    weights = {n: w.clone() for n, w in net.weights.items()}
    weights["stages.0.3.project.weight"][0, 0] = torch.nan  # a layer of the deepest networks
    broken = Evaluator(SuperNet(net.space, weights, net.mean, net.std), calibration, device="cpu")
    deep, shallow = net.space.largest, net.space.smallest
    assert broken.predict([shallow], images).shape == (1, 29)
    with pytest.raises(PredictionError, match=r'logits of .*"d":\[4,4,4\].* are not finite'):
        broken.predict([shallow, deep], images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_predictions_on_cuda_are_those_on_the_cpu(net, archs, images, calibration, expected):
    device = Evaluator(net, calibration, device="cuda", calibration_batch=20, batch_size=8)
    assert device.device.type == "cuda" and evaluate.pick_device("auto").type == "cuda"
    assert (device.predict(archs, images) == expected).all()
    assert next(device.extract(archs[0]).parameters()).is_cuda


def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert evaluate.pick_device("auto") == torch.device("cpu")
    assert evaluate.pick_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(RegnasError, match=r"device=cuda:1: .*'cpu' or 'auto'"):
        evaluate.pick_device("cuda:1")


def test_cores_share_out_batches_and_predictions_are_the_same(net, archs, images, calibration):
    """The number of threads is afterwards as it was."""
    made = {"calibration_batch": 20, "device": "cpu", "batch_size": 8}
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            found.append(Evaluator(net, calibration, **made).predict(archs, images))
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert (found[0] == found[1]).all()


def test_statistics_serve_several_predictions(net, evaluator, archs, images, expected, monkeypatch):
    calibrated = evaluator.calibrate(archs)
    monkeypatch.setattr(evaluate, "run_together", None)  # nothing is recalibrated any more
    np.testing.assert_array_equal(
        evaluator.predict(archs[2:5], images[:9], calibrated=calibrated), expected[2:5, :9]
    )
    rest = evaluator.predict(archs, images[9:], calibrated=calibrated)
    np.testing.assert_array_equal(rest, expected[:, 9:])
    with pytest.raises(RegnasError, match="lacks statistics"):
        evaluator.predict([net.space.sample(np.random.default_rng(99))], images, calibrated=calibrated)


# ── arithmetic ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("tf32", [False, True])
def test_float32_is_float32_unless_asked(net, archs, images, calibration, monkeypatch, tf32):
    """On a CPU the switches have no effect, but can be seen."""
    seen, apply = [], evaluate.apply

    def watched(*args):
        seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return apply(*args)

    monkeypatch.setattr(evaluate, "apply", watched)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    Evaluator(net, calibration, device="cpu", tf32=tf32).predict(archs[:1], images)
    assert set(seen) == {("high" if tf32 else "highest", tf32)}
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_what_is_kept_of_predictions_is_named_by_how_they_were_made(monkeypatch):
    assert evaluate.manner("cpu", "bfloat16") == f"cpu-bfloat16-v{evaluate.VERSION}"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert evaluate.manner("auto") == evaluate.manner("cuda:1") == f"cuda-float32-v{evaluate.VERSION}"
