"""Documents in an object store or on an SFTP server."""

from connectors.objectstore.connector import ObjectStoreConnector

__all__ = ["ObjectStoreConnector"]
