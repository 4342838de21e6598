"""The pipeline as a picture: Mermaid, SVG, or a page of its own."""
