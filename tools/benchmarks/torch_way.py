"""The way most would transcribe: soundfile, python_speech_features and PyTorch, one file after the other.

As a program: python torch_way.py WEIGHTS.pt SOUND...
"""

import sys
from pathlib import Path
from typing import Any


def convert(model: Path, weights: Path) -> None:
    """A model file of ours -> the checkpoint that a user of PyTorch would have: nn.LSTM's and nn.Linear's weights."""
    import torch

    from asr.network.onnx_graph import read

    own, card = read(model)
    state = {name.replace("head.", "1."): value for name, value in own.items() if name.startswith("head.")}
    for name, value in own.items():
        if not name.startswith("head."):
            direction, layer, kind = name.split(".")
            suffix = "_reverse" if direction == "backwards" else ""
            state[f"0.{kind.removesuffix('_l0')}_l{layer}{suffix}"] = value
    assert card.statistics and card.features.mean == "utterance" and card.features.variance == "corpus"
    torch.save({"state": state, "std": card.statistics.std.tolist(), "tokens": list(card.tokenizer.tokens)}, weights)


class TorchWay:
    """A bidirectional nn.LSTM and a linear layer, as eager PyTorch runs them, with the best path decoded."""

    def __init__(self, weights: Path) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(1)
        saved = torch.load(weights, weights_only=True)
        state = saved["state"]
        lstm = nn.LSTM(state["0.weight_ih_l0"].shape[1], state["0.weight_hh_l0"].shape[1], 2, bidirectional=True,
                       batch_first=True)  # fmt: skip
        self.network = nn.ModuleList([lstm, nn.Linear(*reversed(state["1.weight"].shape))]).eval()
        self.network.load_state_dict(state)
        self.std, self.tokens = torch.tensor(saved["std"]), saved["tokens"]

    def log_probs(self, frames: Any) -> Any:
        """Frames (B, T, F) of equal length -> log-probabilities (B, T, V)."""
        import torch

        with torch.inference_mode():
            return self.network[1](self.network[0](frames)[0]).log_softmax(dim=2)

    def transcribe(self, path: Path) -> str:
        """The transcript of a sound file of 16 kHz."""
        import python_speech_features
        import soundfile
        import torch

        waveform, rate = soundfile.read(path)
        frames = torch.from_numpy(python_speech_features.mfcc(waveform, rate)).float()
        frames = (frames - frames.mean(dim=0)) / self.std
        path_tokens = self.log_probs(frames[None])[0].argmax(dim=1).unique_consecutive()
        return "".join(self.tokens[token] for token in path_tokens.tolist() if token)


if __name__ == "__main__":
    recognizer = TorchWay(Path(sys.argv[1]))
    for name in sys.argv[2:]:
        print(recognizer.transcribe(Path(name)))
