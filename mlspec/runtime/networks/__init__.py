"""Neural networks: layers in PyTorch that are plain arrays before and after, and how they are trained. Imports PyTorch."""
