"""torchopt: y*(x) by PyTorch's L-BFGS, differentiated implicitly with solve_cg, under SciPy's L-BFGS on φ."""

import torch
import torchopt
from benchmark_utils.implicit import ImplicitSolver


class Solver(ImplicitSolver):
    name = "torchopt implicit"
    requirements = ["pip::torch", "pip::torchopt"]
    namespace, as_array = torch, staticmethod(torch.as_tensor)

    def differentiated(self, f, g, data):
        X, t, X_val, t_val = data

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

        def phi(x, y):
            x = torch.tensor(x, requires_grad=True)
            y_star = solve(y, x)
            value = f(x, y_star, X_val, t_val)
            (gradient,) = torch.autograd.grad(value, x)
            return value.item(), y_star.detach(), gradient.numpy()

        return phi
