"""How fast generations are evaluated: once-for-all's own route, ours network by network, ours by generation.

All routes run in one process on the same weights, the same images and the same number of threads, and
their predictions are compared. Times are of recalibration and prediction together; images are at hand as
tensors, so that nobody's decoding counts.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ..errors import RegnasError
from ..evaluation.evaluator import Evaluator, pick_device
from ..resources import versions
from ..search.evolution import evolve
from ..spaces.arch import Arch
from ..spaces.space import Space
from ..spaces.steps import step_cost
from ..supernets.supernet import SuperNet, load_supernet

TRIES = 5  # times that the machine's peak is measured; the best counts


@dataclass(frozen=True)
class Workload:
    """What is evaluated.

    Attributes:
        net: the super-network.
        calibration, images: uint8 (K, C, r, r) and (N, C, r, r).
        calibration_batch, batch_size: images a batch for statistics and for predictions.
    """

    net: SuperNet
    calibration: torch.Tensor
    images: torch.Tensor
    calibration_batch: int = 128
    batch_size: int = 16

    def evaluator(self, **options) -> Evaluator:
        """Ours, for this workload."""
        given = {"calibration_batch": self.calibration_batch, "batch_size": self.batch_size}
        return Evaluator(self.net, self.calibration, **{**given, **options})


def workload(net: SuperNet, shape: tuple[int, int], calibration: int, images: int, **batches) -> Workload:
    """A workload of smooth random pictures, ``shape`` (channels, size); they do not matter to speed."""
    generator, (channels, size) = torch.Generator().manual_seed(0), shape

    def draw(count: int) -> torch.Tensor:
        coarse = torch.randint(0, 256, (count, channels, 7, 7), generator=generator).float()
        smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
        return smooth.to(torch.uint8)

    return Workload(net, draw(calibration), draw(images), **batches)


def random_workload(space: str, resolution: int, calibration: int, images: int, **batches) -> Workload:
    """A workload for random weights; mini networks have a resolution of their own."""
    options = {} if space.startswith("mini") else {"resolutions": (resolution,)}
    net = load_supernet(space, "random:0", **options)
    channels, size, _ = net.space.input_shape(net.space.smallest)
    return workload(net, (channels, size), calibration, images, **batches)


def generations(
    space: Space, max_cost: float, numbers: Sequence[int] = (1, 20), *, seed: int = 0
) -> dict[int, list[Arch]]:
    """The new architectures of some generations (from 1) of a search with the paper's protocol.

    The score is a random linear function of the genes, whose optimum a search approaches as it does that of
    accuracy, without a trained network.
    """
    rng = np.random.default_rng(seed)
    worth = [{value: rng.normal() for value in gene.choices} for gene in space.genes]

    def score(archs: list[Arch]) -> list[float]:
        return [
            sum(w[v] for w, v in zip(worth, space.values(arch), strict=True) if v is not None)
            for arch in archs
        ]

    found = evolve(space, score, seed=seed, max_cost=max_cost)
    groups = found.log.groupby("generation").groups
    return {number: [found.archs[i] for i in groups[number]] for number in numbers}


def default_budget(space: Space) -> float:
    """MACs a third of the way from the smallest to the largest network."""
    low, high = (space.macs(arch) for arch in (space.smallest, space.largest))
    return low + (high - low) / 3


def sharing(space: Space, archs: Sequence[Arch]) -> float:
    """MACs of the distinct prefixes of a generation, as a share of the networks' MACs."""
    total = sum(space.macs(arch) for arch in archs)
    seen, distinct = set(), 0
    for arch in archs:
        prefix = ()
        for step, shape in space.places(arch):
            prefix = (*prefix, step.key)
            if prefix not in seen:
                seen.add(prefix)
                distinct += step_cost(step, shape)[0]
    return distinct / total


# ── once-for-all's route ─────────────────────────────────────────────────────────────────────────
class OfaRoute:
    """As ofa's scripts do it: copy a sub-network out, recalibrate it by ofa's function, loop over batches.

    Out of ofa's own super-network where it is one of ofa's.
    """

    def __init__(self, work: Workload, device: torch.device, batch_size: int = 100) -> None:
        self.work, self.space, self.device, self.net = work, work.net.space, device, None
        if self.space.batchnorm_rule != "weighted":
            raise RegnasError(
                f"{self.space.name} has another rule for BatchNorm than ofa; choose mini or ofa-…."
            )
        if self.space.name.startswith("ofa-"):
            self.net = self.space.build()
            torch.nn.Module.load_state_dict(self.net, work.net.weights, strict=False)
            self.net = self.net.to(device).eval()
        normal = [work.net.normalise(part) for part in (work.calibration, work.images)]
        self.calibration = [(part, None) for part in normal[0].split(work.calibration_batch)]
        self.batches = normal[1].split(batch_size)

    @torch.no_grad()
    def predict(self, archs: Sequence[Arch]) -> np.ndarray:
        """Predicted classes, int64 (M, N)."""
        from ofa.imagenet_classification.elastic_nn.utils import set_running_statistics

        rows = []
        for arch in archs:
            network = self._copied(arch)
            set_running_statistics(network, self.calibration)
            logits = [network(batch.to(self.device)).argmax(1) for batch in self.batches]
            rows.append(torch.cat(logits).cpu().numpy())
        return np.stack(rows)

    def _copied(self, arch: Arch) -> torch.nn.Module:
        if self.net is None:
            return self.work.net.extract(arch).to(self.device).eval()
        self.net.set_active_subnet(**_setting(self.space, arch))
        return self.net.get_active_subnet().eval()


def _setting(space: Space, arch: Arch) -> dict[str, list]:
    """Genes as ofa's set_active_subnet wants them: any value where the depth switches a layer off."""
    filled = zip(space.genes, space.values(arch), strict=True)
    values = [gene.choices[0] if value is None else value for gene, value in filled]
    return {name: [values[slot] for slot in slots] for name, slots in space.slots.items() if name != "r"}


# ── measuring ────────────────────────────────────────────────────────────────────────────────────
def compare(
    work: Workload,
    groups: dict[str, list[Arch]],
    *,
    baseline: int = 6,
    device: str = "auto",
    progress: bool = True,
) -> pd.DataFrame:
    """Time the routes on each group of architectures.

    Args:
        work: weights and images.
        groups: name → architectures, such as :func:`generations` gives.
        baseline: how many of a group the routes that go network by network run (all are alike); the whole
            group runs as a generation.
        device: where.
        progress: whether to show a bar.

    Returns:
        One row a (group, route): networks, seconds_per_network, images_per_second (calibration and
        predicted images), gmacs_per_second (of the networks' own MACs), agreement with the generation's
        predictions.
    """
    ours = work.evaluator(device=device)
    ofa = OfaRoute(work, ours.device) if work.net.space.batchnorm_rule == "weighted" else None
    rows = []
    for group, archs in tqdm(groups.items(), desc="groups", leave=False, disable=not progress):
        few = [archs[i] for i in np.linspace(0, len(archs) - 1, min(baseline, len(archs))).astype(int)]
        routes: dict[str, tuple[Callable, list[Arch]]] = {
            "generation": (lambda archs: ours.predict(archs, work.images), archs),
            "one by one": (
                lambda archs: np.concatenate([ours.predict([a], work.images) for a in archs]),
                few,
            ),
        }
        if ofa:
            routes["ofa"] = (ofa.predict, few)
        whole = None
        for route, (run, chosen) in routes.items():
            run(chosen if ours.device.type == "cuda" else chosen[:1])  # a GPU meets every shape beforehand
            start = time.perf_counter()
            predicted = run(chosen)
            seconds = (time.perf_counter() - start) / len(chosen)
            whole = dict(zip(archs, predicted, strict=True)) if whole is None else whole
            pictures = len(work.images) + len(work.calibration)
            macs = np.mean([work.net.space.macs(arch) for arch in chosen])
            rows.append(
                {
                    "group": group,
                    "route": route,
                    "networks": len(chosen),
                    "seconds_per_network": seconds,
                    "images_per_second": pictures / seconds,
                    "gmacs_per_second": macs * pictures / seconds / 1e9,
                    "agreement": float(
                        np.mean([(p == whole[a]).mean() for a, p in zip(chosen, predicted, strict=True)])
                    ),
                }
            )
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Ratios of seconds a network, the slower route over the faster: keys end in ``_ratio``."""
    seconds = table.set_index(["group", "route"])["seconds_per_network"]
    ratios = {}
    for group in table["group"].unique():
        for route, name in (("ofa", "over_ofa"), ("one by one", "over_one_by_one")):
            if (group, route) in seconds.index:
                ratio = seconds[group, route] / seconds[group, "generation"]
                ratios[f"{group}_{name}_ratio"] = round(ratio, 3)
    return ratios


def peak(device: str | torch.device = "cpu", size: int = 2048) -> dict[str, float]:
    """What the machine can do: a large float32 matrix product, and a large copy in memory."""
    device = torch.device(device)
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    source = torch.empty(1 << 26, device=device)
    target = torch.empty_like(source)

    def best(work: Callable) -> float:
        seconds = []
        for _ in range(TRIES):
            _wait(device)
            start = time.perf_counter()
            work()
            _wait(device)
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    return {
        "peak_gmacs_per_second": size**3 / best(lambda: a @ b) / 1e9,
        "copy_gbytes_per_second": 2 * source.nbytes / best(lambda: target.copy_(source)) / 1e9,
    }


def evaluate(
    space: str = "ofa-mbv3-w1.0",
    *,
    resolution: int = 160,
    images: int = 512,
    calibration: int = 256,
    networks: int | None = None,
    baseline: int = 6,
    budget: float | None = None,
    device: str = "auto",
    batches: dict[str, int] | None = None,
    progress: bool = True,
) -> tuple[pd.DataFrame, dict]:
    """The whole comparison, as ``regnas bench evaluate`` runs it.

    Args:
        space: super-network, with random weights.
        resolution: of images and networks.
        images, calibration: how many are predicted and recalibrated on.
        networks: of each generation; by default all of it (100 and 75).
        baseline: networks that run one by one and through ofa.
        budget: million MACs of the search that the generations come from; by default a third of the way from
            the smallest to the largest network.
        device: where.
        batches: ``calibration_batch`` and ``batch_size`` of :class:`Workload`.
        progress: whether to show bars.

    Returns:
        The table of :func:`compare`, and a summary: conditions, ratios (keys end in ``_ratio``), sharing,
        the machine's peak and what share of it the generation route reaches.
    """
    work = random_workload(space, resolution, calibration, images, **(batches or {}))
    net = work.net
    found = generations(net.space, default_budget(net.space) if budget is None else budget * 1e6)
    names = ("first", "converged")
    groups = {name: archs[:networks] for name, archs in zip(names, found.values(), strict=True)}
    return measured(work, groups, baseline=baseline, device=device, progress=progress)


def measured(work: Workload, groups: dict[str, list[Arch]], **options) -> tuple[pd.DataFrame, dict]:
    """:func:`compare`, and its summary: conditions, sharing, peak and what share of it is reached, ratios."""
    table = compare(work, groups, **options)
    device = pick_device(options["device"])
    best = peak(device)
    reached = table[table["route"] == "generation"].set_index("group")["gmacs_per_second"]
    shares = {name: sharing(work.net.space, archs) for name, archs in groups.items()}
    done = {
        f"{group}_share_of_peak": reached[group] * shares[group] / best["peak_gmacs_per_second"]
        for group in groups
    }
    return table, {
        **conditions(device),
        **described(work),
        **{f"{name}_distinct_macs": round(share, 3) for name, share in shares.items()},
        **{key: round(value, 3) for key, value in (best | done).items()},
        **summarise(table),
    }


def described(work: Workload) -> dict:
    """A workload in numbers."""
    return {
        "name": work.net.space.name,
        "space": work.net.space.identity,
        "resolution": work.images.shape[-1],
        "calibration_images": len(work.calibration),
        "images": len(work.images),
        "calibration_batch": work.calibration_batch,
        "batch_size": work.batch_size,
    }


def conditions(device: torch.device) -> dict:
    """What a reader needs to judge times."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"CPU, {platform.machine()}",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
