"""Learn which views will suit an image, from the image alone, and forward only those.

Kim, Kim and Kim, "Learning Loss for Test-Time Augmentation", NeurIPS 2020 (arXiv 2010.11422). A
small network, the loss predictor, sees the image once and scores every candidate view; the target
network then sees only the views with the lowest scores. A score is a relative loss: only its order
within an image means something.

The steps: `fit_recogniser` teaches a network to tell corruptions and classes apart; `loss_table`
measures the frozen target's loss on every view of many corrupted images; `fit_predictor` trains the
network on that table, first with a rank loss, then with `mixture_loss`; `policies.lowest` or
`policies.guarded` turn its scores into a choice; `predict_selected` forwards the choice.
"""

from tta_helpers.loss_predictor.networks import compact_predictor, efficientnet_predictor
from tta_helpers.loss_predictor.rank_losses import (
    RankLoss,
    centred_mse,
    combined_loss,
    mixture_loss,
    relative_loss,
    soft_ranks,
    spearman_loss,
    true_ranks,
)
from tta_helpers.loss_predictor.selection import predict_scores, predict_selected
from tta_helpers.loss_predictor.sorter import (
    fit_sorter,
    rank_losses,
    rank_sorter,
    sodeep_loss,
    sorter_error,
    synthetic_sequences,
)
from tta_helpers.loss_predictor.training import fit_predictor, fit_recogniser, loss_table

__all__ = [
    "RankLoss",
    "centred_mse",
    "combined_loss",
    "compact_predictor",
    "efficientnet_predictor",
    "fit_predictor",
    "fit_recogniser",
    "fit_sorter",
    "loss_table",
    "mixture_loss",
    "predict_scores",
    "predict_selected",
    "rank_losses",
    "rank_sorter",
    "relative_loss",
    "sodeep_loss",
    "soft_ranks",
    "sorter_error",
    "spearman_loss",
    "synthetic_sequences",
    "true_ranks",
]
