"""Presets: everything that distinguishes a laptop demo from the ImageNet runs is one YAML file."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...costs.cost import NAMES, is_recorded
from ...costs.tables import NOTE10_SPACE
from ...errors import PresetError
from ...files import digest
from ...resources import output_root
from ...search.strategies import strategy_names

LONGEST_NAME = 120


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(Section):
    """Which images (see :func:`regnas_core.load_dataset`)."""

    name: Literal["glyphs", "cifar10", "cifar100", "fashion-mnist", "imagenet", "folder"]
    path: str | None = Field(None, description="image folder, for name: folder or imagenet")
    size: int | None = Field(None, ge=8, description="working resolution in pixels")
    sizes: dict[Literal["calibration", "search"], Annotated[int, Field(ge=1)]] | None = Field(
        None, description="pictures cut out of the training ones, where no recorded split applies"
    )
    search_images: int | None = Field(
        None, ge=1, description="use only the first so many of the search split"
    )
    test_images: int | None = Field(None, ge=1, description="use only the first so many of the test split")


class SupernetSection(Section):
    """Which super-network (see :func:`regnas_core.load_supernet`)."""

    space: str = "mini"
    options: dict[str, Any] = Field(default_factory=dict, description="fields of the space's configuration")
    weights: str = Field(
        "pretrained", description="'pretrained', 'pretrained:PUBLISHER', 'random:SEED', or a path"
    )


class TrainingSection(Section):
    """How the super-network is trained (see :class:`regnas_core.supernets.training.Recipe`)."""

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(64, ge=2)
    lr: float = Field(0.1, gt=0)
    weight_decay: float = Field(3e-4, ge=0)
    random_nets: int = Field(1, ge=0)
    shift: int = Field(4, ge=0)
    flip: bool = True
    seed: int = Field(0, ge=0)


class EvaluationSection(Section):
    """How predictions are computed (see :class:`regnas_core.Evaluator`)."""

    calibration_batch: int = Field(256, ge=2, description="images a batch for BatchNorm statistics")
    batch_size: int | Literal["auto"] = Field(
        128, description="images a batch for predictions; 'auto' measures"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32", description="of predictions; tf32 is a GPU's faster, less exact float32"
    )
    memory_gb: float = Field(2, gt=0, description="what folded weights may take at a time")
    workers: int = Field(1, ge=1, description="processes that predict side by side, on a CPU")

    @field_validator("batch_size")
    @classmethod
    def _positive(cls, size: int | str) -> int | str:
        if size != "auto" and size < 1:
            raise ValueError("batch_size must be at least 1, or 'auto'")
        return size


class SearchSection(Section):
    """Evolution and budgets (paper, Sec. 4.1). Budgets are mega multiply-accumulates.

    ``images: validation`` scores architectures on the images of the final numbers, as the paper does with
    FBNet-V3: results leak, and are marked.
    """

    images: Literal["search", "validation"] = "search"
    images_per_seed: int | None = Field(
        None, ge=1, description="each seed searches on so many images, drawn anew from the split; all: none"
    )
    reference_mmacs: float = Field(gt=0)
    target_mmacs: float = Field(gt=0)
    sweep: tuple[float, ...] = Field((), description="budgets of Fig. 5b and of families, ascending")
    platforms: tuple[str, ...] = Field(
        ("latency",),
        description="costs that stand for platforms: params, note10, latency, hcm, or a table's path",
    )
    ratios: tuple[float, ...] = Field((0.5, 2.0), description="λ2 / λ1 of App. B, beside R0, R2 and R1")
    strategy: str = Field("evolution", description="of search, by name (see :func:`regnas_core.search`)")
    evaluations: int | None = Field(
        None, ge=1, description="of a search; by default as many as generations of a population have"
    )
    generations: int = Field(20, ge=1)
    population: int = Field(100, ge=4)
    parent_ratio: float = Field(0.25, gt=0, lt=1)
    mutation_ratio: float = Field(0.5, ge=0, le=1)
    mutation_prob: float = Field(0.1, gt=0, le=1)
    racing: float | None = Field(
        None,
        ge=0,
        lt=0.5,
        description="drop candidates early: 0 by an exact bound, else at this level of a paired test",
    )

    @field_validator("platforms")
    @classmethod
    def _known(cls, platforms: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in platforms if name not in NAMES[1:] and not is_recorded(name)]:
            raise ValueError(
                f"no platform {unknown[0]!r}: choose {', '.join(NAMES[1:])}, or a latency table (.csv)"
            )
        return platforms

    @field_validator("strategy")
    @classmethod
    def _named(cls, strategy: str) -> str:
        if strategy not in strategy_names():
            raise ValueError(f"no strategy {strategy!r}: choose {', '.join(strategy_names())}")
        return strategy

    @model_validator(mode="after")
    def _raced(self) -> SearchSection:
        if self.racing is not None and self.strategy != "evolution":
            raise ValueError(f"racing goes by the parents of an evolution; {self.strategy} has none")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> SearchSection:
        if self.target_mmacs <= self.reference_mmacs:
            raise ValueError("target_mmacs must exceed reference_mmacs: the target is the larger network")
        if self.racing is not None and self.images_per_seed:
            raise ValueError("racing goes by blocks of all search images: leave out images_per_seed")
        if sorted({self.reference_mmacs, *self.sweep}) != [self.reference_mmacs, *self.sweep]:
            raise ValueError("sweep must ascend, and begin above reference_mmacs")
        return self


class NetworksSection(Section):
    """Networks trained one by one, to compare with (see :mod:`regnas_core.workbench.trained`).

    ``kd_…`` are λ and T of focal distillation, tuned on the search split; α = 1 and β = 5 are its authors'.
    """

    published: tuple[str, ...] = Field(
        (), description="torchvision's networks, smallest first, in place of ones that are trained here"
    )
    target: str | None = Field(None, description="torchvision's network for Table 1, beside the found ones")
    distilled: tuple[Literal["FD-KL", "FD-LM"], ...] = Field(
        ("FD-KL", "FD-LM"), description="kinds of focal distillation in Table 1"
    )
    trainings: int | None = Field(
        None, ge=1, description="beside only the first so many trainings of the super-network: they are dear"
    )
    epochs: int = Field(8, ge=1)
    lr: float = Field(0.1, gt=0)
    finetune_epochs: int = Field(1, ge=1)
    finetune_lr: float = Field(0.01, gt=0)
    kd_weight: float = Field(1.0, gt=0)
    kd_temperature: float = Field(100.0, gt=0)


class Preset(Section):
    """A complete description of a run."""

    name: str
    title: str
    data: DataSection
    supernet: SupernetSection = SupernetSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    search: SearchSection
    networks: NetworksSection = NetworksSection()
    companions: tuple[str, ...] = Field(
        (), description="presets with super-networks of another kind; the first is (b) of Tables 1 and 2"
    )
    samples: int = Field(300, ge=2, description="random architectures drawn for scatter plots")
    seed: int = Field(0, ge=0, description="first seed of searches and samples")
    trainings: int = Field(
        1,
        ge=1,
        description="everything is repeated on the first so many trainings that ship; other weights are one",
    )
    seeds: int = Field(
        3, ge=1, description="the whole protocol, reference and targets, is repeated with so many seeds"
    )
    recompute: bool = Field(False, description="train networks again whose predictions come with the package")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda', 'cuda:1', …")

    @model_validator(mode="after")
    def _timed(self) -> Preset:
        if "note10" in self.search.platforms and self.supernet.space != NOTE10_SPACE:
            raise ValueError(
                f"search.platforms: note10 holds the layers of {NOTE10_SPACE}, not of {self.supernet.space}"
            )
        return self


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load_preset(name: str, overrides: dict[str, Any] | None = None) -> Preset:
    """Read and validate a preset.

    Args:
        name: a name from :func:`preset_names`, or the path of a YAML file of one's own.
        overrides: dotted keys and values, as ``{"seed": 1, "search.population": 40}``.

    Raises:
        PresetError: unknown preset or key, or a value of the wrong type or out of range.

    >>> load_preset("demo", {"search.population": 40}).search.population
    40
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else Path(__file__).parent / f"{name}.yaml"
    if not path.is_file():
        raise PresetError(
            f"No preset {name!r}; choose one of {', '.join(preset_names())}, or give a .yaml file's path."
        )
    tree = _read_yaml(path.read_bytes(), str(path)) or {}
    if not isinstance(tree, dict):
        raise PresetError(
            f"{path} holds a {type(tree).__name__}; expected keys and values: {', '.join(preset_keys())}."
        )
    tree = {"name": path.stem, **tree}
    for key, value in (overrides or {}).items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise PresetError(f"{key}: {parent} is a value, not a section of the preset.")
        node[leaf] = value
    try:
        return Preset.model_validate(tree)
    except ValidationError as error:
        raise PresetError(
            f"Preset {name!r} is not valid:\n" + "\n".join(_explain(e) for e in error.errors())
        ) from None


def alongside(own: Preset, other: Preset) -> Preset:
    """``other`` with the seeds, the protocol of search, the images and the evaluation of ``own``.

    What stays its own: data set, super-network, budgets, and how networks are trained; of another data set,
    path and sizes, too. Images are no more than either asks for.
    """
    general = ("samples", "seed", "seeds", "recompute", "device", "evaluation")
    protocol = (
        "images",
        "strategy",
        "evaluations",
        "generations",
        "population",
        "parent_ratio",
        "mutation_ratio",
        "mutation_prob",
        "racing",
    )
    same = ("path", "sizes") if own.data.name == other.data.name else ()
    parts = {"search": protocol, "data": same}
    limits = {"search": ("images_per_seed",), "data": ("search_images", "test_images")}
    changed = {}
    for part, keys in parts.items():
        a, b = getattr(own, part), getattr(other, part)
        counts = {key: _fewer(getattr(a, key), getattr(b, key)) for key in limits[part]}
        changed[part] = b.model_copy(update={key: getattr(a, key) for key in keys} | counts)
    if own.search.racing is not None:  # goes by all search images
        changed["search"] = changed["search"].model_copy(update={"images_per_seed": None})
    return other.model_copy(update={key: getattr(own, key) for key in general} | changed)


def _fewer(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """``["seed=1", "search.population=40"]`` → ``{"seed": 1, "search.population": 40}`` (YAML values)."""
    overrides = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise PresetError(f"--set {pair!r}: expected key=value, as search.population=40.")
        overrides[key.strip()] = _read_yaml(value, f"--set {pair!r}")
    return overrides


def run_name(name: str, overrides: dict[str, Any] | None = None, seed: int | None = None) -> str:
    """Name of a run's folders: the preset, and what was changed against it, as ``demo+seed=3``.

    A search on validation images is part of every name. Many changes are cut short, to a name that file
    systems take, and told apart by a checksum.
    """
    changes = dict(overrides or {}) | ({} if seed is None else {"seed": seed})
    parts = [Path(name).stem, *(f"{key}={value}" for key, value in sorted(changes.items()))]
    full = re.sub(r"[^\w.,=+-]+", "_", "+".join(parts))
    if len(full) > LONGEST_NAME:
        full = f"{full[: LONGEST_NAME - 11]}...{digest(full)[:8]}"
    leaks = load_preset(name, changes).search.images == "validation"
    return f"{full}+searched-on-validation" if leaks and "=validation" not in full else full


def figures_folder(name: str, overrides: dict[str, Any] | None = None, seed: int | None = None) -> Path:
    """Where a run's figures and tables go: ``figures/<run name>``."""
    return output_root() / "figures" / run_name(name, overrides, seed)


def preset_keys(model: type[BaseModel] = Preset, prefix: str = "") -> list[str]:
    """Every dotted key that a preset may hold."""
    keys = []
    for name, info in model.model_fields.items():
        nested = isinstance(info.annotation, type(BaseModel))
        keys += preset_keys(info.annotation, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]
    return keys


def _read_yaml(text: str | bytes, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise PresetError(f"{where} is not valid YAML: {error}") from None


def _explain(error: dict) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        fault = error["msg"].removeprefix("Value error, ")
        given = "" if isinstance(error["input"], dict) else f" (given: {error['input']!r})"
        return f"  {key}: {fault}{given}" if key else f"  {fault}"
    near = difflib.get_close_matches(key, preset_keys(), 1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(preset_keys())}"
    return f"  {key}: unknown key; {hint}"
