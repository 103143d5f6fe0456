"""Adam on one tensor."""

import torch
from torch.optim.adam import adam


class AdamSteps:
    """`torch.optim.Adam([values], lr)`, by torch's function of the same arithmetic: the class
    imports torch's compiler at its first use, which takes seconds.
    """

    def __init__(self, values: torch.Tensor, learning_rate: float) -> None:
        self._values, self._learning_rate = values, learning_rate
        self._means = torch.zeros_like(values, requires_grad=False)
        self._squares = torch.zeros_like(values, requires_grad=False)
        self._count = torch.tensor(0.0)

    @torch.no_grad()
    def step(self) -> None:
        """One step along `values.grad`, in place, and the gradient is forgotten; without a
        gradient nothing moves.
        """
        gradient, self._values.grad = self._values.grad, None
        if gradient is None:
            return
        adam(
            [self._values],
            [gradient],
            [self._means],
            [self._squares],
            [],
            [self._count],
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
