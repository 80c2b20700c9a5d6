"""TPE by optuna: genes are drawn where good trials are dense and bad ones are not (Bergstra et al., 2011)."""

from __future__ import annotations

import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from ...spaces.arch import Arch
from ...spaces.variation import Values
from ..course import Course


def tpe(course: Course, *, batch: int = 10, start: int = 20, attempts: int = 10) -> None:
    """A proposal outside the limits is moved inside, and told to optuna as what it became.

    Args:
        course: of the search.
        batch: proposals between two evaluations.
        start: random architectures at the beginning.
        attempts: proposals until a new one is drawn at random.
    """
    space = course.space
    domains = space.domains(course.limits["containing"])
    choices: dict[str, BaseDistribution] = {
        str(slot): CategoricalDistribution(domain) for slot, domain in enumerate(domains) if len(domain) > 1
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = int(course.rng.integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(n_startup_trials=start, multivariate=True, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def propose() -> Arch:
        trial = study.ask(choices)
        values: Values = [trial.params.get(str(slot), domain[0]) for slot, domain in enumerate(domains)]
        study.tell(trial, state=TrialState.FAIL)  # forgotten; what it becomes is added below
        return course.near(values)

    def tell(arch: Arch, score: float) -> None:
        values = space.values(arch)
        params = {name: _or_first(values[int(name)], choice) for name, choice in choices.items()}
        study.add_trial(create_trial(params=params, distributions=choices, value=score))

    try:
        born = course.draw(start)
        while born:
            for (arch, _), score in zip(born, course.evaluate(born), strict=True):
                tell(arch, score)
            born = course.take(iter(propose, None), batch, "tpe", attempts) or course.draw(batch)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _or_first(value: object, choice: BaseDistribution) -> object:
    """A gene's value, or of a layer that is switched off the first choice."""
    assert isinstance(choice, CategoricalDistribution)
    return choice.choices[0] if value is None or value not in choice.choices else value
