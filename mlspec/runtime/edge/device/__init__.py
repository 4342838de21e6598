"""What is copied into each bundle: it runs on the device, with NumPy and the format's runtime and nothing else."""
