"""Each format to elements. What loads a parsing library is imported by `read` only, in the sandbox."""
