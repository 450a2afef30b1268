"""Where documents come from: one module per kind of origin, behind one protocol."""
