"""What makes the frozen vectors of ``lancbio_ref/oracle/vectors``: ``python -m validation.vectors``.

generate.py        from an id to the bytes of its file
recipes/           which cases there are, a module a kind; ``system`` and ``trace`` make the document of one
textbook_in_balls.py   the first route: the textbook's own lines on object arrays of balls
exact.py           numbers that are proven, and their text
exact_lanczos.py   the Lanczos process and conjugate gradients, each by two routes
random_bits.py     the same random integers on every machine
"""
