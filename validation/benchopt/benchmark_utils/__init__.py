"""What the solvers of other frameworks share."""
