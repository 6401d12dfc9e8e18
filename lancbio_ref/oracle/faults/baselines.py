"""Faults of `trace`: the outer steps of the methods other than LancBiO and SubBiO."""

from __future__ import annotations

from .base import Edit, Fault


def _baseline(
    methods: str, id: str, title: str, symptom: str, cause: str, remedy: str, *edits: tuple[str, str]
) -> Fault:
    changed = tuple(Edit("baselines", *edit) for edit in edits)
    return Fault(id, title, "trace", symptom, cause, remedy, changed, "dense", methods=tuple(methods.split()))


FAULTS = (
    _baseline(
        "amigo-cg",
        "T40",
        "v is never updated",
        "v stays at its start, x follows h = c − J v_0",
        "the recurrences of p and r run, and the line v ← v + γp is missing",
        "v_k = v_{k−1} + d_Q",
        ("        v = v + d\n", ""),
    ),
    _baseline(
        "amigo-cg",
        "T41",
        "r_0 = b though the start is v_{k−1}",
        "v tends to v_{k−1} + A⁻¹b; right where v_0 = 0, for one iteration",
        "the residual is initialized as if every start were zero",
        "r_0 = b_k − A_k v_{k−1}",
        ("        r = b - A @ v\n", "        r = b\n"),
    ),
    _baseline(
        "amigo-cg",
        "T42",
        "p_{k+1} is formed with the old residual",
        "the first step is right, the second is not",
        "r is overwritten after p",
        "p_{k+1} = r_{k+1} + δ_{k+1} p_k",
        ("p = r_next + delta * p", "p = r + delta * p"),
    ),
    _baseline(
        "amigo-cg",
        "T43",
        "the warm start is dropped",
        "every solve begins at zero",
        "v is initialized inside the outer loop",
        "begin at v_{k−1}",
        ("        r = b - A @ v\n", "        v = 0 * v\n        r = b - A @ v\n"),
    ),
    _baseline(
        "amigo-cg",
        "T46",
        "p is the residual: steepest descent",
        "the first step is right, the second is not",
        "δ is computed and not used",
        "p_{k+1} = r_{k+1} + δ_{k+1} p_k",
        ("p = r_next + delta * p", "p = r_next"),
    ),
    _baseline(
        "amigo-gd",
        "T44",
        "the warm start is dropped",
        "every solve begins at zero",
        "v is initialized inside the outer loop",
        "begin at v_{k−1}",
        (
            '        for _ in range(options.get("inverse_steps", 5)):\n            v = v - options',
            '        v = 0 * v\n        for _ in range(options.get("inverse_steps", 5)):\n            v = v - options',
        ),
    ),
    _baseline(
        "amigo-gd",
        "T45",
        "v steps uphill",
        "v ← v + η(A v − b): grows with every step",
        "a sign",
        "v ← v − η(A v − b)",
        ('            v = v - options["step_v"] * (A @ v - b)', '            v = v + options["step_v"] * (A @ v - b)'),
    ),
    _baseline(
        "soba",
        "T50",
        "y, v and x step one after the other",
        "h of the first iteration already differs, and so do the v and x that follow from it",
        "each direction is formed after the variable before it has moved",
        "form all three directions at the same (x, y, v), then step",
        (
            (
                "        A, J, b, c = point_of(problem, k, x, y)\n        direction_y, direction_v, h = problem.g_y(x,"
                " y), A @ v - b, c - J @ v\n"
            ),
            (
                '        direction_y, y_new = problem.g_y(x, y), y - options["step_y"] * problem.g_y(x, y)\n'
                "        A, J, b, c = point_of(problem, k, x, y_new)\n"
                "        direction_v = A @ v - b\n"
                '        h = c - J @ (v - options["step_v"] * direction_v)\n'
            ),
        ),
    ),
    _baseline(
        "stocbio",
        "T51",
        "Q terms instead of Q + 1",
        "v lacks the last term",
        "q counts from 1, or the term q = 0 is left out of the count",
        "v = η Σ_{q=0}^{Q}: Q products, Q + 1 terms",
        (
            (
                '        for _ in range(options.get("inverse_steps", 10)):\n            term = term - eta * (A @ term) '
                " # (I − ηA)^q b\n            total"
            ),
            (
                '        for _ in range(options.get("inverse_steps", 10) - 1):\n            term = term - eta * (A @'
                " term)  # (I − ηA)^q b\n            total"
            ),
        ),
    ),
    _baseline(
        "stocbio",
        "T52",
        "the factor η is left out of the series",
        "v is too long by 1/η",
        "Σ (I − ηA)^q = (ηA)⁻¹, not A⁻¹",
        "v = η Σ_{q=0}^{Q} (I − ηA)^q b",
        ("v = eta * total", "v = total"),
    ),
    _baseline(
        "stocbio",
        "T58",
        "the series is that of I − A",
        "v grows with Q, without bound, where L > 2",
        "η stands before the sum only",
        "v = η Σ_{q=0}^{Q} (I − ηA)^q b",
        ("term = term - eta * (A @ term)  # (I − ηA)^q b", "term = term - A @ term  # (I − ηA)^q b"),
    ),
    _baseline(
        "stocbio",
        "T59",
        "the series begins at q = 1",
        "v is too short by ηb",
        "the sum is started at zero, and its first term is (I − ηA)b",
        "v = η Σ_{q=0}^{Q} (I − ηA)^q b",
        ("term, total = b, b", "term, total = b, 0 * b"),
    ),
    _baseline(
        "bsa ttsa",
        "T53",
        "the factor Q is left out of the randomized series",
        "v is too short by the factor Q",
        "one random term is taken for the sum of Q terms",
        "v = ηQ (I − ηA)^p b, p uniform on {0, …, Q − 1}",
        ("return eta * Q * term", "return eta * term"),
    ),
    _baseline(
        "bsa ttsa",
        "T54",
        "Q gradient steps are appended to the randomized series",
        "v is nearer to A⁻¹b than the method's own, be it by little",
        "two methods are mixed: the term is used as the start of a solve",
        "v = ηQ (I − ηA)^p b and nothing more",
        (
            "    return eta * Q * term\n",
            "    v = eta * term\n    for _ in range(Q):\n        v = v - eta * (A @ v - b)\n    return v\n",
        ),
    ),
    _baseline(
        "ttsa",
        "T55",
        "the decaying x step compounds",
        "right in the first iteration; then x moves less and less",
        "α ← α/(k + 1)^a is applied to the α of the iteration before",
        "α_k = α_0/(k + 1)^a",
        (
            '    """TTSA: BSA with one inner step, and steps that decay on two time scales."""\n    rows = []\n',
            '    rows, alpha = [], options["step_x"]\n',
        ),
        (
            'alpha = options["step_x"] / (k + 1) ** options.get("decay_x", 0.6)  # α_k',
            'alpha = alpha / (k + 1) ** options.get("decay_x", 0.6)  # α_k',
        ),
    ),
    _baseline(
        "ttsa",
        "T56",
        "the steps decay as k^a instead of (k + 1)^a",
        "the first step is not shortened at all",
        "k counts from 0 in the formula and from 1 in the code, or the other way round",
        "α_k = α_0/(k + 1)^a with k = 1, 2, …",
        (
            'alpha = options["step_x"] / (k + 1) ** options.get("decay_x", 0.6)  # α_k',
            'alpha = options["step_x"] / k ** options.get("decay_x", 0.6)  # α_k',
        ),
        (
            'beta = options["step_y"] / (k + 1) ** options.get("decay_y", 0.4)  # β_k',
            'beta = options["step_y"] / k ** options.get("decay_y", 0.4)  # β_k',
        ),
    ),
    _baseline(
        "bsa ttsa",
        "T57",
        "p counts from 1",
        "one factor I − ηA too many",
        "p is drawn from {1, …, Q}",
        "p uniform on {0, …, Q − 1}",
        ("    for _ in range(p):\n", "    for _ in range(p + 1):\n"),
    ),
    _baseline(
        "stable",
        "T60",
        "there is no momentum: the current derivatives take the place of the estimates",
        "right in the first iteration, and as long as no projection acts",
        "H_yy and H_xy are overwritten",
        "H ← P[(1 − τ)(H − ∇²g(z_{k−1})) + ∇²g(z_k)]",
        ("H_yy = (1 - tau) * (H_yy - A_before) + A if k > 1 else A", "H_yy = A"),
        ("H_xy = (1 - tau) * (H_xy - J_before) + J if k > 1 else J", "H_xy = J"),
    ),
    _baseline(
        "stable",
        "T61",
        "μ is squared in the projection",
        "eigenvalues are raised to μ²: wrong where μ ≠ 1 and λ_min is below μ or μ²",
        "√ and square of the modulus are mixed up, as with P_{⪰ μI} of AᵀA",
        "no eigenvalue of H_yy is below μ",
        ("np.maximum(values, mu)) @ vectors.T", "np.maximum(values, mu**2)) @ vectors.T"),
    ),
    _baseline(
        "stable",
        "T62",
        "y does not follow x",
        "y_{k+1} lacks −H_yy⁻¹H_xyᵀ(x_{k+1} − x_k)",
        "the term that moves y along with its solution is left out",
        "y ← y − θ∇_y g − H_yy⁻¹H_xyᵀ(x⁺ − x)",
        (
            'y_next = y - options["step_y"] * problem.g_y(x, y) + prediction',
            'y_next = y - options["step_y"] * problem.g_y(x, y)',
        ),
    ),
    _baseline(
        "stable",
        "T63",
        "y moves against x",
        "the prediction has the wrong sign",
        "dy*/dx = −A⁻¹Jᵀ has lost its minus",
        "y ← y − θ∇_y g − H_yy⁻¹H_xyᵀ(x⁺ − x)",
        ("prediction = -np.linalg.solve", "prediction = np.linalg.solve"),
    ),
    _baseline(
        "stable",
        "T64",
        "a Neumann series takes the place of H_yy⁻¹",
        "v and the prediction are biased where κ is not small",
        "two truncated series, 20 terms each, instead of two solves",
        "v = H_yy⁻¹b, by a factorization: n is small",
        ("v = np.linalg.solve(H_yy, b)", "v = series(H_yy, b)"),
        (
            "prediction = -np.linalg.solve(H_yy, H_xy.T @ (x_next - x))",
            "prediction = -series(H_yy, H_xy.T @ (x_next - x))",
        ),
        (
            "def raise_eigenvalues(H, mu):\n",
            (
                "def series(H, b):\n    eta, v = 1 / np.linalg.norm(H, 2), 0 * b\n    for _ in range(20):\n        v ="
                " v - eta * (H @ v - b)\n    return v\n\n\ndef raise_eigenvalues(H, mu):\n"
            ),
        ),
    ),
    _baseline(
        "stable",
        "T65",
        "μ and C are exchanged",
        "H_yy is bounded by C from below, H_xy by μ from above",
        "the two bounds are passed in the wrong order",
        "P_{⪰ μI} for H_yy, P_{‖·‖ ≤ C} for H_xy",
        ('options["mu"], options.get("cross_norm"), []', 'options.get("cross_norm"), options["mu"], []'),
    ),
    _baseline(
        "f2sa",
        "T70",
        "σ is left out of h",
        "h is too close to ∇_x f, by the factor σ in the penalty",
        "the penalty's weight is applied to y and not to x",
        "h = ∇_x f(x, y) + σ(∇_x g(x, y) − ∇_x g(x, z))",
        ("h = problem.f_x(x, y) + sigma * (", "h = problem.f_x(x, y) + ("),
    ),
    _baseline(
        "f2sa",
        "T71",
        "y and z are exchanged in h",
        "the penalty pushes x the wrong way",
        "the difference of the two gradients has the wrong sign",
        "h = ∇_x f(x, y) + σ(∇_x g(x, y) − ∇_x g(x, z))",
        ("(problem.g_x(x, y) - problem.g_x(x, z))", "(problem.g_x(x, z) - problem.g_x(x, y))"),
    ),
    _baseline(
        "f2sa",
        "T72",
        "z is never updated",
        "z stays at y_0",
        "only one of the two inner loops was written",
        "z ← z − γ∇_y g(x, z), as often as y",
        ("            z = z - gamma * problem.g_y(x, z)\n", ""),
    ),
    _baseline(
        "hjfbio",
        "T80",
        "one-sided differences take the place of central ones",
        "right where g is quadratic in y; elsewhere half the digits of Âv and Ĵv",
        "(∇g(y + δv) − ∇g(y))/δ has an error of order δ, not δ²",
        "(∇g(y + δv) − ∇g(y − δv))/2δ",
        ("ahead, behind = y + delta * v, y - delta * v", "ahead, behind = y + 2 * delta * v, y"),
    ),
    _baseline(
        "hjfbio",
        "T81",
        "the differences are divided by δ instead of 2δ",
        "Âv and Ĵv are twice what they should be",
        "the divisor of a one-sided difference is used for a central one",
        "divide by 2δ",
        (
            "Av = (problem.g_y(x, ahead) - problem.g_y(x, behind)) / (2 * delta)",
            "Av = (problem.g_y(x, ahead) - problem.g_y(x, behind)) / delta",
        ),
        (
            "Jv = (problem.g_x(x, ahead) - problem.g_x(x, behind)) / (2 * delta)",
            "Jv = (problem.g_x(x, ahead) - problem.g_x(x, behind)) / delta",
        ),
    ),
    _baseline(
        "hjfbio",
        "T82",
        "v is not pulled back to the ball",
        "right until ‖v‖ exceeds r",
        "the projection P_{‖v‖ ≤ r} is left out",
        "v ← v·min(1, r/‖v‖)",
        ('        v_next = v_next * min(1.0, options.get("radius", 1e3) / norm(v_next))  # P_{‖v‖ ≤ r}\n', ""),
    ),
)
