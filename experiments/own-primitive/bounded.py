"""Primitives of your own: a function of one element, and one that is written in the language itself."""

from primitives.primitive import composite, primitive

primitives = [
    primitive(
        "softsign",
        "x",
        lambda f, x: x / (1 + f.abs(x)),  # what it means; f has NumPy's functions, or torch's under NumPy's names
        "x/(1 + Abs(x))",  # as a formula, in SymPy's functions
        kernel="x/(F(1) + abs(x))",  # for the compiled machines; F(1) is 1 in their precision
        torch="x / (1 + torch.abs(x))",  # in exported files
        cost=2.5,  # additions for each element
    ),
    composite("mean_size", "x", "mean(abs(x))"),  # nothing else to say: it follows from what it is made of
]
