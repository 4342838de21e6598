"""What the Prefect backend is made of: names, tasks and the order of their calls, machines, deployments."""
