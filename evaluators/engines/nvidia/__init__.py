"""What the engines for NVIDIA's GPUs share: the driver, TensorRT's generations, sessions."""
