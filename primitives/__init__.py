"""What a program means: the language, its primitives, and the machines that run it."""
