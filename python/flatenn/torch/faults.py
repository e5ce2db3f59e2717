"""Random bit errors in the weights of a network that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from flatenn.torch.modules import QuantizedWeight, quantized_layers
from flatenn.torch.sharpness import frozen_statistics

if TYPE_CHECKING:
    from flatenn._fault_model import FaultModel


def _faulty_codes(
    layers: list[tuple[str, QuantizedWeight]], rate: float, seed: int, trial: int, model: Any
) -> list[Any]:
    """Codes of each layer under one of flatenn's fault maps, drawn as for the frozen network."""
    from flatenn import _core
    from flatenn._memory import quantized_tensor

    memory = _core.Network.of_memory("", [quantized_tensor(*layer) for layer in layers])
    faulty = _core.Injector(memory, model._core).faulty_codes(rate, seed, trial)
    return [codes.reshape(layer.weight.shape) for codes, (_, layer) in zip(faulty, layers)]


@contextmanager
def random_bit_errors(
    module: nn.Module,
    rate: float,
    seed: int = 0,
    trial: int = 0,
    model: FaultModel | None = None,
) -> Iterator[None]:
    """Within, the module's quantized layers compute with the codes that a faulty memory holds.

    The faults are those of ``FaultMap.draw`` with the same arguments on the frozen network whose
    layers stand in the same order. Gradients go straight through to the latent weights; a learned
    scale's is that of the faulty values.

    :param rate: probability that a stored bit is faulty, in [0, 1].
    :param seed, trial: decide every random choice.
    :param model: by default bit flips of all weights.
    """
    from flatenn._arguments import expect, integer, number
    from flatenn._fault_model import FaultModel

    checked = (
        number("rate", rate, 0.0, 1.0), integer("seed", seed, 0, 2**64 - 1),
        integer("trial", trial, 0, 2**32 - 1),
    )  # fmt: skip
    if model is not None:
        expect("model", model, FaultModel, "a FaultModel")
    layers = list(quantized_layers(module))
    if not layers:
        raise ValueError(
            "module: has no quantized layers; use flatenn.torch.QuantConv2d and QuantLinear"
        )
    faulty = _faulty_codes(layers, *checked, model or FaultModel())
    try:
        for (_, layer), codes in zip(layers, faulty):
            layer.faulty_codes = torch.from_numpy(codes).to(layer.weight.device)
        yield
    finally:
        for _, layer in layers:
            layer.faulty_codes = None


class RandBET:
    """Random bit error training: each step descends with a mix of the gradient without faults and
    the gradient under one of flatenn's fault maps (Stutz et al., "Bit error robustness for
    energy-efficient DNN accelerators", MLSys 2021, arXiv:2104.08323)::

        randbet = flatenn.torch.RandBET(optimizer, model, rate=0.01)
        loss = randbet.step(closure)          # the closure of SAQ

    :param base_optimizer: any torch optimizer of the model's parameters.
    :param rate: bit error rate, or a function of the step's number that gives it (a curriculum).
    :param mix: weight of the faulty gradient in [0, 1]; the clean one has 1 - mix.
    :param fault_model: by default bit flips of all weights.
    :param seed: step t meets the map (seed, trial t).

    Running statistics of batch norm move in the clean pass only.
    """

    def __init__(
        self,
        base_optimizer: torch.optim.Optimizer,
        model: nn.Module,
        rate: float | Callable[[int], float] = 0.01,
        *,
        mix: float = 0.5,
        fault_model: FaultModel | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(base_optimizer, torch.optim.Optimizer):
            raise TypeError(f"base_optimizer: expected a torch optimizer, got {base_optimizer!r}")
        if not 0 <= mix <= 1:
            raise ValueError(f"mix: must be in [0, 1], got {mix}")
        self.base_optimizer, self.model, self.rate, self.mix = base_optimizer, model, rate, mix
        self.fault_model, self.seed, self.steps = fault_model, seed, 0

    def step(self, closure: Callable[[], Any]) -> Any:
        """One step. `closure` computes the loss of one batch, calls backward() on it and returns
        it; it is called twice. Returns the loss without faults."""
        rate = self.rate(self.steps) if callable(self.rate) else self.rate
        self.base_optimizer.zero_grad()
        loss = closure()
        clean = self._gradients()
        self.base_optimizer.zero_grad()
        with random_bit_errors(self.model, rate, self.seed, self.steps, self.fault_model):
            with frozen_statistics(self.model):
                closure()
        with torch.no_grad():
            for parameter, grad in clean:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(grad)
                parameter.grad.mul_(self.mix).add_(grad, alpha=1 - self.mix)
        self.base_optimizer.step()
        self.steps += 1
        return loss

    def _gradients(self) -> list[tuple[nn.Parameter, Tensor]]:
        return [
            (parameter, parameter.grad.detach().clone())
            for parameter in self.model.parameters()
            if parameter.grad is not None
        ]
