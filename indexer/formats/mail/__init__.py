"""Messages, mailboxes, and what is attached to them."""
