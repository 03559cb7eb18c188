"""Widths of a projector, from the few numbers that the methods' constructors take."""

from sslkit.nn import Encoder


def head_sizes(encoder: Encoder, hidden_dim: int | None, output_dim: int, layers: int) -> list[int]:
    """Widths of the layers.

    Args:
        encoder: What the head reads.
        hidden_dim: Width of the hidden layers; None is the encoder's feature width.
        output_dim: Width of the last layer.
        layers: Linear layers, at least 1.

    Raises:
        ValueError: If there is to be no layer.
    """
    if layers < 1:
        raise ValueError(f"projector_layers must be at least 1, got {layers}.")
    hidden = encoder.num_features if hidden_dim is None else hidden_dim
    return [hidden] * (layers - 1) + [output_dim]
