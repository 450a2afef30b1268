"""Each format to elements, without the libraries that only the sandbox may load."""
