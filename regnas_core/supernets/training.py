"""Training a super-network: the sandwich rule with in-place distillation.

Every step trains the largest sub-network on the labels, and the smallest and a few random ones on
the largest one's soft predictions (Yu & Huang, "Universally slimmable networks", ICCV 2019; as in
BigNAS and AttentiveNAS). Gradients of all of them add up in the shared weights.

The loop around the steps (:func:`run_epochs`) is that of single networks, too.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import ImageSet
from ..errors import CheckpointError, DataError
from ..files import write_atomically
from ..spaces.space import Space
from .supernet import SuperNet, random_weights

TrainingStep = Callable[
    [Tensor, Tensor, np.random.Generator], Tensor
]  # images, labels → loss, its gradients added


@dataclass(frozen=True)
class Recipe:
    """How a super-network, or a single network, is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        lr: peak of the one-cycle learning rate (SGD with Nesterov momentum, 0.85 to 0.95 in opposite cycle).
        weight_decay: on convolution and classifier weights; BatchNorm has none.
        random_nets: random sub-networks a step, beside the largest and the smallest. Of a super-network
            only; a single network's training has no use for it.
        shift: images are moved by up to this many pixels each way.
        flip: whether images are mirrored left to right at random.
        seed: of the initial weights, the order of images, augmentation and random sub-networks.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.1
    weight_decay: float = 3e-4
    random_nets: int = 1
    shift: int = 4
    flip: bool = True
    seed: int = 0


def augment(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Randomly shift (zero fill) and mirror a batch of uint8 images (B, C, H, W)."""
    b, _, h, w = images.shape

    def draw(high: int) -> Tensor:  # on the CPU, so that a seed means the same on every device
        return torch.randint(high, (b, 1), generator=generator).to(images.device, non_blocking=True)

    rows = torch.arange(h, device=images.device) + draw(2 * shift + 1)  # (B, H)
    cols = torch.arange(w, device=images.device)
    cols = torch.where(draw(2) == 1, cols.flip(0), cols) if flip else cols.expand(b, w)
    cols = cols + draw(2 * shift + 1)  # (B, W)
    padded = F.pad(images, [shift] * 4).permute(0, 2, 3, 1)  # (B, H + 2s, W + 2s, C)
    batch = torch.arange(b, device=images.device)
    return padded[batch[:, None, None], rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


def sandwich_step(net: SuperNet, x: Tensor, y: Tensor, random_nets: int, rng: np.random.Generator) -> Tensor:
    """Add up the gradients of one batch; returns the largest sub-network's cross entropy.

    Args:
        net: super-network whose weights require gradients.
        x: normalised images (B, C, H, W).
        y: labels (B,).
        random_nets: random sub-networks beside the smallest.
        rng: draws them.
    """
    teacher = net.forward(net.space.largest, x)
    loss = F.cross_entropy(teacher, y)
    loss.backward()
    soft = teacher.detach().softmax(1)
    for arch in (net.space.smallest, *(net.space.sample(rng) for _ in range(random_nets))):
        F.cross_entropy(net.forward(arch, x), soft).backward()
    return loss.detach()


def train_supernet(
    space: Space,
    images: ImageSet,
    recipe: Recipe,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    workdir: str | Path,
    device: str | torch.device = "cpu",
    info: dict | None = None,
) -> SuperNet:
    """Train a super-network from scratch, or go on where a killed run stopped.

    After every epoch the state is saved in ``workdir`` (``training.pt``, and a line in ``log.csv``);
    each epoch's randomness depends on (seed, epoch) only, so that a resumed run is the same run.

    Args:
        space: its search space.
        images: training images.
        recipe: how to train.
        mean, std: per-channel normalisation of images in [0, 1].
        workdir: where state and log are kept.
        device: where to train.
        info: provenance to keep inside the checkpoint, beside the recipe.

    Raises:
        CheckpointError: ``workdir`` holds a run of another recipe, space or images; or the loss became NaN.
        DataError: fewer images than a batch.
    """
    weights = trainable(random_weights(space, recipe.seed), device)
    about = {**(info or {}), "images": images.digest, "classes": list(images.classes)}
    about["shape"] = list(images.images.shape[1:])
    net = SuperNet(space, weights, tuple(mean), tuple(std), about, np.sort(images.fingerprints))

    def step(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
        return sandwich_step(net, x, y, recipe.random_nets, rng)

    run = {"space": space.name, "options": str(space.options), "images": images.digest, **asdict(recipe)}
    run_epochs(net, images, recipe, step, run, Path(workdir), loss_name="loss_largest", lr_name="training.lr")
    final = {name: w.detach().cpu() for name, w in weights.items()}
    return replace(net, weights=final, info={**net.info, "recipe": asdict(recipe)})


def trainable(weights: Mapping[str, Tensor], device: str | torch.device) -> dict[str, Tensor]:
    """Copies of weights to train on a device, channels last as the images are.

    On a CPU that is 1.3 to 1.9 times as fast as if neither was.
    """

    def copy(w: Tensor) -> Tensor:
        layout = torch.channels_last if w.ndim == 4 else torch.contiguous_format
        return w.detach().to(device, copy=True, memory_format=layout).requires_grad_()

    return {name: copy(w) for name, w in weights.items()}


def run_epochs(
    net: SuperNet,
    images: ImageSet,
    recipe: Recipe,
    step: TrainingStep,
    run: dict,
    workdir: Path,
    *,
    loss_name: str = "loss",
    lr_name: str = "lr",
) -> None:
    """Train the weights of ``net`` in place, or go on where a killed run stopped.

    After every epoch the state is saved in ``workdir`` (``training.pt``, and a line in ``log.csv``).

    Args:
        net: weights that require gradients, on the device to train on; those without a gradient stay.
        images: training images.
        recipe: how to train.
        step: takes normalised images (B, C, H, W), labels (B,) and a generator of random numbers, adds up
            the gradients of this batch and returns its loss.
        run: all that the run depends on, as plain data; a state of another run is refused.
        workdir: where state and log are kept.
        loss_name: column of the loss in ``log.csv``.
        lr_name: what a user sets the learning rate by, for the message that it is too high.

    Raises:
        CheckpointError: ``workdir`` holds another run; or the loss became NaN.
        DataError: fewer images than a batch.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    steps = len(images) // recipe.batch_size
    if not steps:
        raise DataError(
            f"{len(images)} training images do not fill one batch of {recipe.batch_size}; lower batch_size."
        )
    weights, device = net.weights, net.device
    optimizer = _optimizer(net, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=steps * recipe.epochs)
    log = _resume(workdir / "training.pt", run, weights, optimizer, schedule, loss_name)
    pictures = _placed(images.images, device)
    labels = torch.from_numpy(images.labels).to(device)
    for epoch in range(len(log), recipe.epochs):
        start = time.perf_counter()
        loss = _epoch(net, pictures, labels, recipe, epoch, optimizer, schedule, step)
        if not np.isfinite(loss):
            raise CheckpointError(
                f"The loss became {loss} in epoch {epoch + 1}; lower {lr_name} (now {recipe.lr})."
            )
        log.append([epoch + 1, loss, time.perf_counter() - start])
        _save(workdir, run, log, weights, optimizer, schedule, loss_name)


def _placed(images: np.ndarray, device: torch.device) -> Tensor:
    """Pictures (N, C, H, W) on the device, or on the host if they would take much of a GPU's memory.

    There each batch is sent when it is its turn, which costs no time while the GPU is busy with the one
    before. Pictures mapped from a file stay in the file.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(images))
    many = device.type == "cuda" and pictures.nbytes > torch.cuda.mem_get_info(device)[0] // 4
    return pictures if many else pictures.to(device)


def _optimizer(net: SuperNet, recipe: Recipe) -> torch.optim.SGD:
    decayed = [w for w in net.weights.values() if w.ndim > 1]
    plain = [w for w in net.weights.values() if w.ndim == 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)


def _epoch(
    net, pictures: Tensor, labels: Tensor, recipe: Recipe, epoch: int, optimizer, schedule, step: TrainingStep
) -> float:
    """One pass over the images; returns the mean loss."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
    rng = np.random.default_rng([recipe.seed, epoch])
    order = torch.randperm(len(labels), generator=generator)
    there = order.to(labels.device)
    here = there if pictures.device == labels.device else order
    steps, total = len(labels) // recipe.batch_size, torch.zeros((), device=labels.device)
    bar = tqdm(range(steps), desc=f"epoch {epoch + 1}/{recipe.epochs}", leave=False, mininterval=1.0)
    for i in bar:
        batch = slice(i * recipe.batch_size, (i + 1) * recipe.batch_size)
        drawn = pictures[here[batch]].to(labels.device, non_blocking=True)
        x = net.normalise(augment(drawn, recipe.shift, recipe.flip, generator))
        total += step(x.contiguous(memory_format=torch.channels_last), labels[there[batch]], rng)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if i % 50 == 49:
            bar.set_postfix(loss=f"{float(total) / (i + 1):.3f}")
    return float(total) / steps


def _resume(
    path: Path, run: dict, weights: dict[str, Tensor], optimizer, schedule, loss_name: str
) -> list[list]:
    """Load the state in ``path``, if any; returns the log of the epochs that are done."""
    if not path.exists():
        return []
    steps = schedule.total_steps
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found, log = dict(state["run"]), [[int(epoch), *map(float, row)] for epoch, *row in state["log"]]
        if found == run:
            _restore(state, weights, optimizer, schedule)
            if schedule.last_epoch * run["epochs"] != len(log) * steps:
                raise ValueError("a schedule of another length")
    except Exception as error:  # whatever a file that is no such state makes torch raise
        raise CheckpointError(
            f"{path} is not the state of a training ({type(error).__name__}). Remove it."
        ) from None
    if found != run:
        changed = sorted(k for k in run if found.get(k) != run[k])
        raise CheckpointError(
            f"{path} belongs to another run ({', '.join(changed)} differ). Remove it or use another workdir."
        )
    _write_log(path.parent, log, loss_name)  # the run may have been killed between the two files
    return log


def _restore(state: dict, weights: dict[str, Tensor], optimizer, schedule) -> None:
    shapes = {name: value.shape for name, value in state["weights"].items()}
    if shapes != {name: w.shape for name, w in weights.items()}:
        raise ValueError("weights of another network")
    with torch.no_grad():
        for name, value in state["weights"].items():
            weights[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    momenta = ((w, kept.get("momentum_buffer")) for w, kept in optimizer.state.items())
    if any(momentum is not None and momentum.shape != w.shape for w, momentum in momenta):
        raise ValueError("momenta of another network")


def _save(
    workdir: Path, run: dict, log: list[list], weights: dict[str, Tensor], optimizer, schedule, loss_name: str
) -> None:
    state = {
        "run": run,
        "log": log,
        "weights": {n: w.detach() for n, w in weights.items()},
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
    }
    torch.save(state, written := io.BytesIO())  # to a full disk it would raise errors that do not say so
    write_atomically(workdir / "training.pt", lambda part: part.write_bytes(written.getbuffer()))
    _write_log(workdir, log, loss_name)


def _write_log(workdir: Path, log: list[list], loss_name: str) -> None:
    lines = [
        f"epoch,{loss_name},seconds",
        *(f"{epoch},{loss:.4f},{seconds:.1f}" for epoch, loss, seconds in log),
    ]
    write_atomically(workdir / "log.csv", lambda part: part.write_text("\n".join(lines) + "\n"))
