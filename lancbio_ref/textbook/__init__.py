"""The whole subject in plain dense lines, each formula beside the line that computes it.

Nothing here is fast, and nothing is hidden: arrays in, arrays out. At a point (x, y) of the bilevel problem

    min_x φ(x) = f(x, y*(x)),    y*(x) = argmin_y g(x, y)

A = ∇²_yy g, J = ∇²_xy g (n_x × n_y), b = ∇_y f and c = ∇_x f. In the order of reading:

    formula                                                     file              function
    h = c − J v,  A v = b                                       hypergradient.py  hypergradient
    A, J, b, c of a problem at (x, y)                           problems.py       point_of
      two quadratics                                            problems.py       Quadratic
      a ridge penalty a coefficient, exp(x_j)                   problems.py       Ridge
      softmax regression with such penalties                    problems.py       Logistic
      a weight a training sample, σ(x_i)                        problems.py       Cleaning
      the paper's synthetic problem                             problems.py       Synthetic

    γ_k = ‖r_k‖²/p_kᵀA p_k,  v_{k+1} = v_k + γ_k p_k, …         solve.py          conjugate_gradients
    γ_k = r_kᵀz_k/p_kᵀA p_k,  M z_k = r_k                       solve.py          preconditioned_conjugate_gradients
    v = v_0 + Q_j T_j⁻¹ (‖r_0‖e_1)                              solve.py          lanczos_solve
    T = L D Lᵀ,  d_{i+1} = α_{i+1} − β_i²/d_i                   solve.py          tridiagonal_solve
    A = L Lᵀ                                                    solve.py          cholesky_solve
    u_j = A q_j − β_j q_{j−1},  α_j = q_jᵀu_j,  β_{j+1} = ‖w_j‖ lanczos.py        lanczos
    ω_{j+1,i}, the loss of orthogonality, estimated             lanczos.py        partial_lanczos

    LancBiO:  Δv = Q_j T_j⁻¹ Q_jᵀ(b_k − w),  A_k and b_k move   trace.py          lancbio
    SubBiO:   v_k in span{b_k, (I − ηA_k)v_{k−1}}               trace.py          subbio
    N inner steps  y ← y − θ∇_y g(x_k, y)                       trace.py          inner_steps

    AmIGO-GD: v ← v − η(A v − b)                                baselines.py      amigo_gd
    AmIGO-CG: v_k = v_{k−1} + d_Q                               baselines.py      amigo_cg
    SOBA:     x, y and v step at once                           baselines.py      soba
    stocBiO:  v = η Σ_{q=0}^{Q} (I − ηA)^q b                    baselines.py      stocbio
    BSA:      v = ηQ (I − ηA)^p b, p drawn                      baselines.py      bsa
    TTSA:     α_k = step_x/(k+1)^a,  β_k = step_y/(k+1)^b       baselines.py      ttsa
    STABLE:   H ← P[(1 − τ)(H − A(z_{k−1})) + A(z_k)]           baselines.py      stable
    F2SA:     h = ∇_x f(y) + σ(∇_x g(y) − ∇_x g(z))             baselines.py      f2sa
    HJFBiO:   Âv = (∇_y g(y + δv) − ∇_y g(y − δv))/2δ           baselines.py      hjfbio
    HOAG:     f⁺ ≤ f + ‖v‖(ε_k + ε_{k+1}) − ½L‖s‖²              baselines.py      hoag
    MAID:     ψ(α) ≤ 0 proves that φ falls                      baselines.py      maid

    H = SSᵀ + (I − SYᵀ)H_0(I − YSᵀ),  Y = A S,  SᵀY = I         recycled.py       recycled_inverse
    ∇²φ u ≈ w_x − J q,  q = H w_y                               recycled.py       hyper_product
    s ≈ argmin hᵀs + ½sᵀB s  in  |s_i| ≤ Δ                      recycled.py       recycled_newton

    u, ‖a‖ that does not underflow, refusals in words           numbers.py        roundoff, norm, refuse_unless_spd

Every function here is held to proven vectors (:mod:`lancbio_ref.oracle`), and the catalogue of known faults is made by
changing its lines, one at a time.
"""
