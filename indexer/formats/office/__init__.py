"""Office programs' files: OOXML, OpenDocument, the old binary formats, and RTF."""
