"""Text with markup: HTML, Markdown, reStructuredText, Org, and books of HTML."""
