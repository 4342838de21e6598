"""What the ZenML backend is made of: names, steps, the calls of the pipeline, machines and images."""
