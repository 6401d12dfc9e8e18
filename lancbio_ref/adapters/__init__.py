"""f and g as they are written elsewhere: a JAX or a PyTorch function becomes a :class:`~lancbio_ref.BilevelProblem`.

``lancbio_ref.adapters.jax.problem(f, g, x0, y0)`` and ``lancbio_ref.adapters.torch.problem(f, g, x0, y0)`` take two
scalar functions and have all derivatives by automatic differentiation. Importing this package imports neither of them.
"""
