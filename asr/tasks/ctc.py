"""Training with CTC (Graves et al. 2006): the loss, and how far two views of an utterance disagree."""

from typing import TYPE_CHECKING

from asr.text import BLANK

if TYPE_CHECKING:
    from torch import Tensor


def loss(log_probs: "Tensor", output_lengths: "Tensor", tokens: "Tensor", token_lengths: "Tensor") -> "Tensor":
    """Negative log-likelihood of each utterance, in nats: (B,).

    log_probs (B, T, V), output_lengths (B,), tokens (B, L) padded with anything, token_lengths (B,). An utterance
    whose tokens need more frames than it has costs infinity: nothing is zeroed, the caller decides.
    """
    from torch.nn.functional import ctc_loss

    return ctc_loss(log_probs.transpose(0, 1), tokens, output_lengths, token_lengths, blank=BLANK, reduction="none")


def disagreement(log_probs: "Tensor", again: "Tensor", output_lengths: "Tensor") -> "Tensor":
    """How far two views of each utterance disagree, in nats: (B,), with which CR-CTC (Yao et al. 2024) regularises.

    log_probs and `again` (B, T, V), output_lengths (B,): the sum over frames of the mean of KL(again || log_probs) and
    KL(log_probs || again), in each of which the first is a target that no gradient reaches.
    """
    import torch
    from torch.nn.functional import kl_div

    both = [
        kl_div(one, other.detach(), reduction="none", log_target=True).sum(dim=2)
        for one, other in ((log_probs, again), (again, log_probs))
    ]
    places = torch.arange(log_probs.shape[1], device=log_probs.device)
    inside = places < output_lengths[:, None]
    return torch.where(inside, (both[0] + both[1]) / 2, 0).sum(dim=1)
