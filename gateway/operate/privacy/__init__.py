"""What those who answer for personal data do over HTTP: purges, erasures, and the receipts for them."""
