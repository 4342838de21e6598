"""Models as small programs of tensor operations, and the file formats that hold such programs."""
