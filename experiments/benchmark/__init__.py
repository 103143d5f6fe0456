"""What the solvers cost, side by side: one module for each part of the benchmark."""
