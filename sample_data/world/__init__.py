"""A fictional world in which the exact chance of every next word is known.

``grammar`` says what a stochastic answer is, ``lexicon`` holds the world's words, ``tables`` the
odds by which the two models differ, and one module per kind of request builds its answers.
"""
