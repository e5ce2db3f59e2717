"""Sharpness-aware training of quantized networks around any torch optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from flatenn.torch.modules import quantized_layers
from flatenn.torch.quantizers import ActivationQuantizer, WeightQuantizer

METHODS = ("sgd", "sam", "saq", "asaq")
#: Of the definition: keeps eps finite where the gradient vanishes.
_NORM_FLOOR = 1e-12


def _norm(tensors: list[Tensor]) -> Tensor:
    if not tensors:
        return torch.zeros(())
    norm: Tensor = torch.stack([tensor.norm() for tensor in tensors]).norm()
    return norm


def parameter_groups(
    model: nn.Module,
    lr: float,
    weight_decay: float = 0.0,
    *,
    decay_biases: bool = False,
    decay_batch_norm: bool = False,
    scale_lr: float = 1.0,
) -> list[dict[str, Any]]:
    """Groups for a torch optimizer as flatenn's own training has them: weights decay, biases and
    batch norm only where asked, quantizer scales never; scales learn at lr * scale_lr."""
    groups: dict[str, list[nn.Parameter]] = {"decay": [], "plain": [], "scales": []}
    for module in model.modules():
        scales = isinstance(module, (ActivationQuantizer, WeightQuantizer))
        for name, parameter in module.named_parameters(recurse=False):
            if scales:
                groups["scales"].append(parameter)
                continue
            batch_norm = isinstance(module, _BatchNorm)
            decays = decay_batch_norm if batch_norm else decay_biases if name == "bias" else True
            groups["decay" if decays else "plain"].append(parameter)
    options = {
        "decay": {"lr": lr, "weight_decay": weight_decay},
        "plain": {"lr": lr, "weight_decay": 0.0},
        "scales": {"lr": lr * scale_lr, "weight_decay": 0.0},
    }
    return [{"params": groups[key], **options[key]} for key in groups if groups[key]]


class _Target:
    """A tensor that a step perturbs."""

    def __init__(self, value: Tensor, grad: Tensor, weight: bool, adaptive: bool) -> None:
        self.value, self.grad, self.weight, self.adaptive = value, grad, weight, adaptive


class SAQ(torch.optim.Optimizer):
    """Sharpness-aware quantization: a step descends with the gradient at the point nearby where
    the loss is largest.

    The first pass finds the gradient at the quantizers' outputs Q(w), the second one the gradient
    at Q(w) + eps with eps = rho g / ||g||, and the base optimizer takes that (Liu et al.,
    arXiv:2111.12273). Running statistics of batch norm move in the first pass only. With rho = 0 a
    step equals the base optimizer's::

        base = torch.optim.SGD(flatenn.torch.parameter_groups(model, lr=0.05), momentum=0.9)
        optimizer = flatenn.torch.SAQ(base, model, rho=0.1)
        for x, y in loader:
            def closure():
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss
            loss = optimizer.step(closure)

    :param base_optimizer: holds the parameters of `model`; learning-rate schedules may be made
        for either.
    :param rho: radius, >= 0.
    :param method: "saq"; "asaq": with ASAM's element-wise radius (arXiv:2102.11600); "sam":
        perturbs latent weights (arXiv:2010.01412); "sgd": one pass, the base optimizer alone.
    :param eta: of "asaq": floor of the element-wise radius.
    :param perturb_biases, perturb_batch_norm, perturb_activation_scales: what is perturbed besides
        weights; one norm covers all of it.

    ``optimizer.last`` tells the last step: loss, grad_norm, rho_relative (||eps|| / ||Q(w)||), as
    tensors.
    """

    def __init__(
        self,
        base_optimizer: torch.optim.Optimizer,
        model: nn.Module,
        rho: float = 0.1,
        *,
        method: str = "saq",
        eta: float = 0.01,
        perturb_biases: bool = False,
        perturb_batch_norm: bool = False,
        perturb_activation_scales: bool = False,
    ) -> None:
        if not isinstance(base_optimizer, torch.optim.Optimizer):
            raise TypeError(f"base_optimizer: expected a torch optimizer, got {base_optimizer!r}")
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch module, got {type(model).__name__}")
        if method not in METHODS:
            raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
        if not eta >= 0:
            raise ValueError(f"eta: must be >= 0, got {eta}")
        self.base_optimizer, self.model = base_optimizer, model
        self.method, self.eta = method, eta
        self.perturb_biases = perturb_biases
        self.perturb_batch_norm = perturb_batch_norm
        self.perturb_activation_scales = perturb_activation_scales
        self.last: dict[str, Tensor] = {}
        self._restore: list[Callable[[], None]] = []
        super().__init__(base_optimizer.param_groups, dict(base_optimizer.defaults))
        self.param_groups = base_optimizer.param_groups  # one set, so that schedules reach both
        self.state = base_optimizer.state
        self.rho = rho

    @property
    def rho(self) -> float:
        """The radius; may be changed between steps."""
        return self._rho

    @rho.setter
    def rho(self, value: float) -> None:
        if not value >= 0:
            raise ValueError(f"rho: must be >= 0, got {value}")
        self._rho = float(value)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure` computes the loss of one batch, calls backward() on it and returns
        it; it is called twice. Returns the loss of the first pass. If a pass raises, the model is
        as it was."""
        if closure is None:
            raise ValueError(
                "closure: is missing: SAQ evaluates the loss twice a step; pass a function that "
                "computes it, calls backward() and returns it, or use first_step and second_step"
            )
        try:
            self.prepare()
            with torch.enable_grad():
                loss = closure()
            self.first_step()
            if self.method != "sgd":
                with torch.enable_grad():
                    closure()
        except BaseException:
            self.restore()
            raise
        self.second_step()
        self.last["loss"] = loss.detach() if isinstance(loss, Tensor) else torch.as_tensor(loss)
        return loss

    def prepare(self) -> None:
        """Before the first backward pass, for loops without a closure: zeroes gradients and puts
        leaves at the quantizers' outputs."""
        self.restore()
        self.zero_grad()
        for _, layer in quantized_layers(self.model):
            layer.keep_quantized_weight = True
            if self.method in ("saq", "asaq"):
                layer.perturbation = torch.zeros_like(layer.weight).requires_grad_()

    @torch.no_grad()
    def first_step(self) -> None:
        """After the first backward pass: moves to Q(w) + eps and zeroes gradients."""
        weights = [
            p.grad for m in self.model.modules() for n, p in m.named_parameters(recurse=False)
            if n == "weight" and not isinstance(m, _BatchNorm) and p.grad is not None
        ]  # fmt: skip
        if self.method == "sgd":
            norm = _norm(weights)
            self.last = {"grad_norm": norm, "rho_relative": torch.zeros_like(norm)}
            return
        targets, places = self._targets()
        eps = self._ascent(targets)
        quantized = [q for q in self._quantized_weights() if q is not None]
        self.last["rho_relative"] = _norm(
            [e for e, t in zip(eps, targets) if t.weight]
        ) / _norm(quantized)
        for place, value in zip(places, eps):
            place(value)
        self.zero_grad()
        self._restore.append(_freeze_statistics(self.model))

    def second_step(self) -> None:
        """After the second backward pass: goes back to w and lets the base optimizer step."""
        self.restore()
        self.base_optimizer.step()

    @torch.no_grad()
    def restore(self) -> None:
        """Takes back whatever a step has moved."""
        while self._restore:
            self._restore.pop()()
        for _, layer in quantized_layers(self.model):
            layer.perturbation = layer.quantized_weight = None
            layer.keep_quantized_weight = False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Of all of the base optimizer's parameters."""
        self.base_optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The base optimizer's state and the radius."""
        return {"base": self.base_optimizer.state_dict(), "rho": self.rho}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what state_dict gave."""
        self.base_optimizer.load_state_dict(state_dict["base"])
        self.param_groups = self.base_optimizer.param_groups
        self.state = self.base_optimizer.state
        self.rho = state_dict["rho"]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def _quantized_weights(self) -> Iterator[Tensor | None]:
        """Q(w) of every layer; w where a layer is not quantized."""
        quantized = {id(layer): layer for _, layer in quantized_layers(self.model)}
        for module in self.model.modules():
            if id(module) in quantized:
                yield quantized[id(module)].quantized_weight
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                yield module.weight.detach()

    def _targets(self) -> tuple[list[_Target], list[Callable[[Tensor], None]]]:
        targets: list[_Target] = []
        places: list[Callable[[Tensor], None]] = []
        at_output = self.method in ("saq", "asaq")
        covered = set()
        for _, layer in quantized_layers(self.model) if at_output else ():
            covered.add(id(layer.weight))
            leaf, q = layer.perturbation, layer.quantized_weight
            if leaf is None or leaf.grad is None or q is None:
                continue
            targets.append(_Target(q, leaf.grad, True, True))
            places.append(self._setter(leaf))
        for module in self.model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.grad is None or id(parameter) in covered:
                    continue
                weight = not isinstance(module, (_BatchNorm, ActivationQuantizer)) and (
                    name == "weight"
                )
                if not (weight or self._perturbs(module, name)):
                    continue
                factor = isinstance(module, _BatchNorm) and name == "weight"
                adaptive = factor or (weight and at_output)
                targets.append(_Target(parameter.detach(), parameter.grad, weight, adaptive))
                places.append(self._mover(parameter))
        return targets, places

    def _perturbs(self, module: nn.Module, name: str) -> bool:
        if isinstance(module, WeightQuantizer):
            return False
        if isinstance(module, ActivationQuantizer):
            return self.perturb_activation_scales
        if isinstance(module, _BatchNorm):
            return self.perturb_batch_norm
        return self.perturb_biases and name == "bias"

    @staticmethod
    def _setter(leaf: Tensor) -> Callable[[Tensor], None]:
        def put(eps: Tensor) -> None:
            leaf.data.copy_(eps)

        return put

    def _mover(self, parameter: nn.Parameter) -> Callable[[Tensor], None]:
        def move(eps: Tensor) -> None:
            old = parameter.detach().clone()
            parameter.add_(eps)

            def back() -> None:
                parameter.copy_(old)

            self._restore.append(back)

        return move

    def _ascent(self, targets: list[_Target]) -> list[Tensor]:
        """eps = rho T^2 g / ||T g|| (T = 1 but for asaq) over all targets together."""
        radii = [
            t.value.abs() + self.eta if self.method == "asaq" and t.adaptive else None
            for t in targets
        ]
        stretched = [t.grad if r is None else t.grad * r for t, r in zip(targets, radii)]
        self.last = {"grad_norm": _norm([t.grad for t in targets])}
        factor = self.rho / (_norm(stretched) + _NORM_FLOOR)
        return [s * factor if r is None else s * factor * r for s, r in zip(stretched, radii)]


def _freeze_statistics(model: nn.Module) -> Callable[[], None]:
    """Batch norm normalizes with the batch, and its running statistics stay; returns what undoes
    it."""
    frozen = [
        module for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]  # fmt: skip
    for module in frozen:
        module.track_running_stats = False

    def undo() -> None:
        for module in frozen:
            module.track_running_stats = True

    return undo


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Within, running statistics of batch norm do not move."""
    undo = _freeze_statistics(model)
    try:
        yield
    finally:
        undo()
