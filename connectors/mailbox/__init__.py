"""The mails of mbox files, a Maildir or an IMAP account, each a document that its participants may read."""

from connectors.mailbox.connector import MailboxConnector

__all__ = ["MailboxConnector"]
