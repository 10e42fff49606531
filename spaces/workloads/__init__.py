"""Examples of workloads, with models that train in seconds."""
