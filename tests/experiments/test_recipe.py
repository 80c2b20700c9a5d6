"""recipe: Figure 3 applies one rule a panel."""

from __future__ import annotations

from regnas_core import experiments


def test_fig3_applies_one_rule_a_panel(bench, ref):
    table, space = experiments.fig3(bench), bench.space
    assert set(table) == {
        *("panel", "stage", "layer", "kernel", "channels", "reference_kernel", "reference_channels"),
        *("weights", "reference_weights", "shared_weights"),
    }
    assert table["panel"].unique().tolist() == ["layers", "channels", "kernels", "all"]
    assert (table["shared_weights"] == table["reference_weights"]).all()  # all contain the reference
    assert (table["reference_weights"] == space.params(ref)).all()
    layers, channels, kernels, found = (group for _, group in table.groupby("panel", sort=False))
    had = layers["reference_kernel"] > 0
    assert len(layers) == 12 and had.sum() == sum(ref.d) == len(channels) == len(kernels)
    for gene in ("kernel", "channels"):
        assert (layers[had][gene] == layers[had][f"reference_{gene}"]).all()
        assert (layers[~had][f"reference_{gene}"] == 0).all()
    assert (layers[~had]["kernel"] == 3).all() and (
        layers[~had]["channels"] == 0.5
    ).all()  # new ones are small
    assert (channels["channels"] == 1).all() and (channels["kernel"] == channels["reference_kernel"]).all()
    assert (kernels["kernel"] == 7).all() and (kernels["channels"] == kernels["reference_channels"]).all()
    target = experiments.target(experiments.repetitions(bench)[0], "R2+CAS")
    assert found["kernel"].tolist() == [k for k in target.ks if k]
    assert found["channels"].tolist() == [e / 4 for e in target.e if e]
    assert (found["weights"] == space.params(target)).all() and (table["weights"] > space.params(ref)).all()
    depths = found.groupby("stage")["layer"].agg(["min", "max", "size"])
    assert depths.values.tolist() == [[1, d, d] for d in target.d]
