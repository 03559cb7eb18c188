"""The contrastive losses of pairs that plug-ins have treated.

N anchors, P positives each, M negatives each. A logit is a dot product over the temperature; an
anchor that has no negative has nothing to be told apart from, and its loss is 0.

Where all of a fixed bank are negatives of all anchors, alike, and no more than mixes were added, as
with a queue, the sums are taken in tiles and the logits (N, M) are never held.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sslkit.functional.debiased import correct_for_positives
from sslkit.functional.fused_mixing import mixed_log_sum
from sslkit.functional.queue_contrast import rows_log_sum
from sslkit.functional.selection import hard_log_weights
from sslkit.negatives.mixing import make_mixes
from sslkit.negatives.pairs import Pairs


@dataclass(frozen=True)
class InfoNCE:
    """Mean over an anchor's positives of -log softmax, each among itself and the negatives."""

    def __call__(self, pairs: Pairs) -> Tensor:
        """The loss (N,) of each anchor."""
        with torch.autocast(pairs.query.device.type, enabled=False):
            excess = _log_sum(pairs)[:, None] - _positives(pairs)
            return torch.logaddexp(excess, torch.zeros_like(excess)).mean(1)


@dataclass(frozen=True)
class Decoupled:
    """DCL: the positives are no candidates."""

    def __call__(self, pairs: Pairs) -> Tensor:
        """The loss (N,) of each anchor."""
        with torch.autocast(pairs.query.device.type, enabled=False):
            log_sum = _log_sum(pairs)
            loss = log_sum - _positives(pairs).mean(1)
            return loss.masked_fill(log_sum.isneginf(), 0.0)


@dataclass(frozen=True)
class Debiased:
    """The debiased loss, of which `sslkit.functional.debiased_nce` is the case of a batch.

    Attributes:
        tau_plus: τ⁺ in [0, 1).
        beta: β >= 0, how much harder negatives weigh more.
    """

    tau_plus: float
    beta: float = 0.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """The loss (N,) of each anchor."""
        return self.with_bound(pairs)[0]

    def with_bound(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """The loss (N,) of each anchor, and (N,) bool: its negatives lie at their bound."""
        with torch.autocast(pairs.query.device.type, enabled=False):
            positive = _positives(pairs)
            log_sum, count = self._summed(pairs)
            none = count == 0
            # Replaced, and not masked at the end alone, so that gradients stay finite.
            log_sum, log_count = log_sum.masked_fill(none, 0.0), count.clamp_min(1).log()
            each = [
                correct_for_positives(
                    column,
                    log_sum,
                    log_count,
                    temperature=pairs.temperature,
                    tau_plus=self.tau_plus,
                )
                for column in positive.unbind(1)
            ]
        losses = torch.stack([loss for loss, _ in each]).mean(0)
        bound = torch.stack([at_bound for _, at_bound in each]).any(0)
        return losses.masked_fill(none, 0.0), bound & ~none

    def _summed(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Log of the weighted sum (N,), and M (N,)."""
        tiled = _in_tiles(pairs) if self.beta == 0 else None
        if tiled is not None:
            log_sum, number = tiled
            return log_sum, torch.full_like(log_sum, number, requires_grad=False)
        logits = torch.cat(_negatives(pairs), dim=1)
        count = (~logits.isneginf()).sum(1).to(logits.dtype)
        if self.beta > 0:
            # Of an anchor without negatives, anything finite.
            logits = logits.masked_fill((count == 0)[:, None], 0.0)
            logits = logits + hard_log_weights(logits, beta=self.beta, count=count.clamp_min(1))
        return torch.logsumexp(logits, dim=1), count


def _positives(pairs: Pairs) -> Tensor:
    """(N, P) logits."""
    logits = torch.linalg.vecdot(pairs.query.unsqueeze(1), pairs.positive) / pairs.temperature
    return logits if pairs.positive_weight is None else logits * pairs.positive_weight


def _log_sum(pairs: Pairs) -> Tensor:
    """Log of the sum of exponentials over all negatives (N,); −inf where there is none."""
    tiled = _in_tiles(pairs)
    if tiled is not None:
        return tiled[0]
    sums = [torch.logsumexp(part, dim=1) for part in _negatives(pairs)]
    return sums[0] if len(sums) == 1 else torch.logsumexp(torch.stack(sums), dim=0)


def _in_tiles(pairs: Pairs) -> tuple[Tensor, int] | None:
    """The same and M, without the logits; None where these are needed."""
    # Gradients to the bank are wanted in the batch, and by plug-ins that move negatives.
    if pairs.bank.requires_grad or pairs.mask is not None or pairs.log_weight is not None:
        return None
    added = (pairs.extra, pairs.extra_cosine, pairs.extra_log_weight)
    if any(part is not None for part in added):
        return None
    query, bank, mixes = pairs.query, pairs.bank, pairs.mixes
    if mixes is None:
        return rows_log_sum(query / pairs.temperature, bank), len(bank)
    if len(bank) < 2:  # nothing to mix, which `make_mixes` deals with
        return None
    log_sum = mixed_log_sum(
        query,
        bank,
        temperature=pairs.temperature,
        hardest=mixes.hardest,
        pair=mixes.pair,
        pair_weight=mixes.pair_weight,
        query_index=mixes.query_index,
        query_weight=mixes.query_weight,
    )
    return log_sum, len(bank) + mixes.pair.shape[2] + mixes.query_index.shape[1]


def _negatives(pairs: Pairs) -> list[Tensor]:
    """Logits (N, M) of the bank and of each anchor's own negatives, −inf where there is none."""
    pairs = make_mixes(pairs)
    query = pairs.query / pairs.temperature
    bank = _weighted(query @ pairs.bank.T, pairs.log_weight)
    parts = [bank if pairs.mask is None else bank.masked_fill(~pairs.mask, -torch.inf)]
    extra = []
    if pairs.extra is not None:
        extra.append(torch.linalg.vecdot(query.unsqueeze(1), pairs.extra))
    if pairs.extra_cosine is not None:
        extra.append(pairs.extra_cosine / pairs.temperature)
    if extra:
        parts.append(_weighted(torch.cat(extra, 1), pairs.extra_log_weight))
    return parts


def _weighted(logits: Tensor, log_weight: Tensor | None) -> Tensor:
    if log_weight is None:
        return logits
    weighted = logits + log_weight
    # Masked, so that no gradient of a sum that is empty gets past it.
    return weighted.masked_fill(weighted.isneginf(), -torch.inf)
