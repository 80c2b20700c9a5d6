"""Updates: an old network and ways to follow it come in, a new one that breaks less of what worked goes out.

For one's own networks of plain torch. It knows of no super-network's search and of no preset.
"""

from ..doors import open_doors

__getattr__, __dir__, __all__ = open_doors(
    __name__,
    {
        "answers": ("choose", "guard", "probabilities", "surer"),
        "losses": ("logit_difference_inhibition",),
        "training": ("Ensemble", "fit", "logits", "mix_weights", "plain_network"),
    },
)
