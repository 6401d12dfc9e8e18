"""The parts of `own_method.py`: problems (`suite`), the count of work and the truth (`referee`), and who runs."""
