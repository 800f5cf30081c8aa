"""Predict every view once; everything after is arithmetic on the array that comes back."""

from tta_helpers.predict.copies import generator_views, predict_copies
from tta_helpers.predict.every_view import predict_views
from tta_helpers.predict.folding import folded
from tta_helpers.predict.forward import WORTH_A_GRAPH, worth_a_graph
from tta_helpers.predict.selecting import selecting_model
from tta_helpers.predict.served import AverageViews, tta_model

__all__ = [
    "WORTH_A_GRAPH",
    "AverageViews",
    "folded",
    "generator_views",
    "predict_copies",
    "predict_views",
    "selecting_model",
    "tta_model",
    "worth_a_graph",
]
