"""A PyTorch Lightning callback that measures accuracy under faults after validation epochs.

    pip install lightning
    trainer = lightning.Trainer(callbacks=[FaultCampaign(data, rates=[1e-3, 1e-2])])
"""

from __future__ import annotations

from typing import Any

import flatenn
import lightning
from torch import Tensor


class FaultCampaign(lightning.Callback):
    """Logs "accuracy_at_RATE" with the half-width of its 95 % interval, "half_width_at_RATE".

    :param data: (images, labels) of the validation set, as the module takes them.
    :param rates: bit error rates.
    :param trials: fault maps a rate.
    :param every: only each so many validation epochs.
    :param calibration: images for modules that compute in float.
    """

    def __init__(
        self, data: tuple[Tensor, Tensor], rates: list[float], trials: int = 20, every: int = 1,
        calibration: Tensor | None = None, kind: str = "bit_flip",
    ) -> None:  # fmt: skip
        self.data, self.rates, self.trials, self.every = data, rates, trials, every
        self.calibration, self.kind, self.last = calibration, kind, None

    def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
        if trainer.sanity_checking or trainer.current_epoch % self.every:
            return
        network = flatenn.from_torch(
            module, self.data[0].cpu(), calibration=self.calibration, agreement=0.0
        )
        self.last = flatenn.campaign(
            network, (self.data[0].cpu(), self.data[1].cpu()), kinds=self.kind, rates=self.rates,
            trials=self.trials,
        )  # fmt: skip
        for cell in self.last.cells:
            half = (cell["ci_high"] - cell["ci_low"]) / 2
            module.log(f"accuracy_at_{cell['rate']:g}", cell["mean"])
            module.log(f"half_width_at_{cell['rate']:g}", half)
