"""What may vary: space files, their schema and typed form, and workloads."""
