"""NVIDIA GPUs that are not there, as PyTorch reports them."""

from contextlib import contextmanager

import torch


class Cards:
    """NVIDIA GPUs that PyTorch sees, by name and compute capability."""

    def __init__(self, monkeypatch, cards, built_for, bfloat16=()):
        self.current = [0]
        self.cards = cards
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
        monkeypatch.setattr(torch.cuda, "current_device", lambda: self.current[-1])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: self.of(device)[0])
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: self.of(index)[1])
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built_for)
        monkeypatch.setattr(torch.cuda, "device", self.device)
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation: self.current[-1] in bfloat16,
        )
        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    def of(self, device):
        card = self.cards[getattr(device, "index", device) or 0]
        if isinstance(card, Exception):
            raise card
        return card

    @contextmanager
    def device(self, device):
        self.current.append(device.index or 0)
        yield
        self.current.pop()
