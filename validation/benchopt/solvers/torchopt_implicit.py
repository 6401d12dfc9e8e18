"""torchopt: y*(x) by PyTorch's L-BFGS, differentiated implicitly with solve_cg, under SciPy's L-BFGS on φ."""

import torch
import torchopt
from benchmark_utils.levels import l_bfgs, levels, require_same
from benchopt import BaseSolver


class Solver(BaseSolver):
    name = "torchopt implicit"
    requirements = ["pip::torch", "pip::torchopt"]
    parameters = {"tol": [1e-8]}
    sampling_strategy = "callback"

    def set_objective(self, problem, model, data, x0, y0):
        f, g = levels(torch, model)
        self.x0, self.x = x0, x0
        X, t, X_val, t_val = data = tuple(map(torch.as_tensor, data))
        require_same(problem, f, g, torch.as_tensor(x0), torch.as_tensor(y0), data)

        def grad_y(y, x):
            return torch.func.grad(g, 1)(x, y, X, t)

        @torchopt.diff.implicit.custom_root(grad_y, argnums=1, solve=torchopt.linear_solve.solve_cg())
        def solve(y, x):
            y = y.detach().clone().requires_grad_()
            options = dict(max_iter=200, tolerance_grad=self.tol, tolerance_change=1e-14, line_search_fn="strong_wolfe")
            optimizer = torch.optim.LBFGS([y], **options)

            def closure():
                optimizer.zero_grad()
                with torch.enable_grad():
                    loss = g(x.detach(), y, X, t)
                loss.backward()
                return loss

            optimizer.step(closure)
            return y.detach()

        def phi_and_gradient(x):
            x = torch.tensor(x, requires_grad=True)
            y = solve(self.y, x)
            value = f(x, y, X_val, t_val)
            (gradient,) = torch.autograd.grad(value, x)
            self.y = y.detach()
            return value.item(), gradient.numpy()

        self.phi, self.y0 = phi_and_gradient, torch.as_tensor(y0)

    def run(self, callback):
        self.y = self.y0
        if callback():
            l_bfgs(self.phi, self.x0, callback, lambda x: setattr(self, "x", x.copy()))

    def get_result(self):
        return dict(x=self.x)
