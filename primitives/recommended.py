"""Recommended settings as programs with a name, to start from and to compare with; the reasons are the documents'."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recommended:
    """An expression, what it is for, and the sentence that recommends it."""

    name: str
    expression: str
    use: str
    quote: str


_ALL = (
    Recommended(
        "recommended_default",
        "scheduled(adamw, warmup_cosine)",
        "anything, to begin with",
        "Default choice: AdamW with cosine decay and linear warmup.",
    ),
    Recommended(
        "recommended_image_classification",
        "scheduled(momentum(lr=0.1, beta=0.9, weight_decay=1e-4), cosine)",
        "image classification from scratch",
        "SGD with momentum (eta = 0.1, mu = 0.9, cosine decay, weight decay 1e-4).",
    ),
    Recommended(
        "recommended_transformer_pretraining",
        "scheduled(clip_norm(adamw(beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1), max_norm=1), warmup_cosine)",
        "pretraining of transformers",
        "AdamW (beta1 = 0.9, beta2 = 0.95-0.999, eps = 1e-8, lambda = 0.1, warmup + cosine decay); "
        "gradient clipping: essential with Adam for Transformers, typical tau = 1.0.",
    ),
    Recommended(
        "recommended_fine_tuning",
        "adamw(lr=3e-5, weight_decay=0)",
        "fine-tuning of a trained network",
        "AdamW with small eta (1e-5 to 1e-4), minimal weight decay.",
    ),
    Recommended("recommended_rnn", "adam", "recurrent networks", "RNNs: Adam or RMSProp."),
    Recommended("recommended_rnn_rmsprop", "rmsprop", "recurrent networks", "RNNs: Adam or RMSProp."),
)

RECOMMENDED: dict[str, Recommended] = {item.name: item for item in _ALL}
