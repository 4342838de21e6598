"""The spec as typed, frozen models: `project` holds the whole, each other module one section."""
