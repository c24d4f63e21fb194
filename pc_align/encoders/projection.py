"""Projections into the shared space. Shapes: B rows, D width in, E width of the shared space."""

from __future__ import annotations

from torch import nn


def projection(in_dim: int, embed_dim: int, kind: str = "linear") -> nn.Module:
    """A head [B, in_dim] -> [B, embed_dim]; its output is normalised by whoever compares it.

    Args:
        in_dim: D.
        embed_dim: E.
        kind: "linear", or "identity", which keeps a space as it is and needs in_dim == embed_dim.

    Raises:
        ValueError: an unknown kind, or an identity between different widths.
    """
    if kind == "identity":
        if in_dim != embed_dim:
            raise ValueError(f"an identity projection keeps width {in_dim}, but embed_dim is {embed_dim}; use 'linear'")
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(in_dim, embed_dim)
    raise ValueError(f"a projection is 'linear' or 'identity', not {kind!r}")
