"""What the engines that run TFLite share: reading the file, running it, the Edge TPU's rules."""
