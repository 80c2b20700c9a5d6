"""examples: predictions of real networks that ship."""

from __future__ import annotations

import pytest

from regnas_core.errors import DataError
from regnas_core.flips.counts import nfr
from regnas_core.flips.examples import load_example


def test_imagenet_has_networks_of_the_accuracy_that_is_known():
    table = load_example()
    assert len(table) == 1099 and table["image"].is_unique and table["image"].between(1, 50_000).all()
    names = list(table)[3:]
    assert len(names) == 8 and sum(name.endswith("-int8") for name in names) == 4
    assert all(table[name].between(0, 999).all() for name in ["label", *names])
    top1 = {name: 100 * (table[name] == table["label"]).mean() for name in names}
    assert 70 < top1["efficientnet-lite0"] < top1["efficientnet-lite1"] < top1["efficientnet-lite2"] < 80
    assert "ILSVRC2012" in table.attrs["about"]


def test_quantisation_alone_flips_as_much_as_is_known():
    table = load_example("imagenet")
    flips = [
        nfr(*(table[n].to_numpy() for n in (name, f"{name}-int8", "label")))
        for name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "mcunet")
    ]
    assert [round(100 * rate, 2) for rate in flips] == [1.36, 1.0, 1.82, 2.46]


def test_an_unknown_example_is_an_error_that_names_what_there_is():
    with pytest.raises(DataError, match="there are: imagenet"):
        load_example("cats")
