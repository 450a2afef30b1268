"""The law of the data: vocabulary, manifests, decisions, retention, the ledger. No framework, no arrays."""
