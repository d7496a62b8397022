"""Policy text to values and back: one module for each interface file."""
