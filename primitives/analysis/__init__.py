"""What a program is, told by analysis of its text: scaling, symmetry, units, bounds, memory, responses, formulas."""
