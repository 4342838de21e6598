"""What the spec cannot know of your cluster. Edit it, then run `python pipeline.py`."""

import os

# The image of every step that has none of its own.
IMAGE = os.environ.get(
    "PIPELINE_IMAGE",
    "breast-cancer:latest",
)

# Secrets of the namespace that hold the password of the image's registry.
PULL = []

# Path in every step -> claim of a volume that is there already. What the parameters
# name (data, registry, approvals) must lie where every step sees it.
VOLUMES = {}

# The secret that stands for the environment where a run starts: ${env:NAME} is its key NAME.
ENVIRONMENT = "breast-cancer-environment"

# What the spec calls an accelerator -> what the nodes call it.
ACCELERATORS = {}

# Spot machines. This is Google's GKE; on Amazon's EKS no taint is set, and the label is
# eks.amazonaws.com/capacityType: SPOT; on Azure's AKS both are
# kubernetes.azure.com/scalesetpriority: spot.
SPOT_TOLERATIONS = [
    {
        "key": "cloud.google.com/gke-spot",
        "operator": "Equal",
        "value": "true",
        "effect": "NoSchedule",
    },
]
SPOT_LABELS = {
    "cloud.google.com/gke-spot": "true",
}
