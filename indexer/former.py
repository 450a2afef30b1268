"""The vectors of a document's former passages, so that what did not change is not embedded again."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from indexer import catalog
from indexer.content import open_text, open_vector
from indexer.keyring import KeyId
from indexer.workshop import Workshop


def former_vectors(
    workshop: Workshop, known: catalog.Document | None, keys: Collection[KeyId]
) -> Mapping[str, NDArray[np.float16]]:
    """The vectors by what was embedded; none where another embedder made them, or their key is not among `keys`."""
    same = workshop.stages.embedder_identity.key
    if known is None or known.revision.embedder != same or known.revision.id not in keys:
        return {}
    revision = known.revision.id
    with workshop.database.reading() as session:
        stored = list(catalog.passages(session, revision))
    key = workshop.keyring.document_keys([revision])[revision]
    return {
        open_text(key, revision, passage.ordinal, passage.text).indexed_text: open_vector(
            key, revision, passage.ordinal, passage.vector
        )
        for passage in stored
    }
