"""Numbers about pairs: how high scores are, and how many of the hardest negatives are none.

N anchors of the batch, n of the sample, P positives each, K rows in the bank, M negatives in all.
Nothing is read from the device.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sslkit.callbacks.pair_sample import PairSample


def score_statistics(sample: PairSample, top: int) -> Tensor:
    """What the figure of scores shows.

    Of negatives, means over the sample's anchors of what each finds among its own; anchors without
    any are left out, and for the variance those with only one. Of positives, over all anchors of
    the batch. Weights of negatives and positives enter the exponentials only.

    Args:
        sample: Of n anchors.
        top: How many of the hardest negatives are averaged.

    Returns:
        (7,) mean, unbiased variance, mean of the hardest, log of the mean exp(score / τ) of the
        negatives; mean, unbiased variance, log of the mean exp(score / τ) of the positives. NaN
        where there is nothing to average.
    """
    return torch.cat([_of_negatives(sample, top), _of_positives(sample)])


def _of_negatives(sample: PairSample, top: int) -> Tensor:
    score, counted = sample.score, sample.counted
    logit = score / sample.few.temperature
    if sample.log_weight is not None:
        logit = logit + sample.log_weight
    number, ranked = torch.full_like(score[:, 0], score.shape[1]), score
    if counted is not None:
        number = counted.sum(1).to(score.dtype)
        ranked, logit = (x.masked_fill(~counted, -torch.inf) for x in (score, logit))
        score = score.masked_fill(~counted, 0)
    mean = score.sum(1) / number
    # Not torch.var_mean, which takes several times as long on a CPU.
    deviation = score - mean[:, None]
    if counted is not None:
        deviation = deviation.masked_fill(~counted, 0)
    variance = deviation.square().sum(1) / (number - 1)
    highest = ranked.topk(min(top, ranked.shape[1]), dim=1, sorted=False).values
    there = highest > -torch.inf
    top_mean = highest.masked_fill(~there, 0).sum(1) / there.sum(1)
    exp_mean = (logit.logsumexp(1) - number.log()).masked_fill(number < 1, -torch.inf)
    return torch.stack(
        [
            mean.nanmean(),
            variance.masked_fill(number < 2, torch.nan).nanmean(),
            top_mean.nanmean(),
            exp_mean.logsumexp(0) - (number > 0).sum().log(),
        ]
    )


def _of_positives(sample: PairSample) -> Tensor:
    pairs = sample.whole
    score = torch.linalg.vecdot(pairs.query[:, None], pairs.positive)
    logit = score / pairs.temperature
    if pairs.positive_weight is not None:
        logit = logit * pairs.positive_weight
    mean = score.mean()
    variance = score.var() if score.numel() > 1 else torch.full_like(mean, torch.nan)
    return torch.stack([mean, variance, logit.flatten().logsumexp(0) - math.log(score.numel())])


def own_class_shares(sample: PairSample, top: Sequence[int]) -> Tensor:
    """What share of an anchor's hardest negatives are of its class.

    Only rows of the bank with a label count, as images: those mixed by a plug-in have none.
    Means over the anchors that have a label and a negative with one.

    Args:
        sample: Of n anchors with infos.
        top: Numbers of hardest negatives; more than there are is all.

    Returns:
        (len(top) + 1,) the shares, and last that among all negatives; NaN where there are none.

    Raises:
        ValueError: If the pairs come without infos.
    """
    anchors, bank = sample.few.query_info, sample.few.bank_info
    if anchors is None or bank is None:
        raise ValueError(
            "NegativeOracle reads labels of anchors and negatives, and these pairs have no "
            "query_info or bank_info: let the source fill them, or remove NegativeOracle."
        )
    score = sample.bank_score
    known = (bank.label >= 0).expand(len(score), -1)
    if sample.counted is not None:
        known = known & sample.counted[:, : score.shape[1]]
    same = known & (anchors.label[:, None] == bank.label)
    number = known.sum(1)
    ranked = score.masked_fill(~known, -torch.inf)
    order = ranked.topk(min(max(top), score.shape[1]), dim=1).indices
    found = same.gather(1, order).cumsum(1)
    labelled = (anchors.label >= 0) & (number > 0)
    shares = [found[:, min(k, found.shape[1]) - 1] / number.clamp(max=k) for k in top]
    shares.append(same.sum(1) / number)
    return torch.stack(shares).masked_fill(~labelled, torch.nan).nanmean(1)
