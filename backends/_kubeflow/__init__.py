"""The parts of the Kubeflow backend; `mlspec.backends.kubeflow` is the door."""
