"""The evidence of non-interference: twin homes, of which one also holds what the caller may not see."""
