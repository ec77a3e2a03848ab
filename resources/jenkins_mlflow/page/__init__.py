"""The report: a page with style sheet and pictures, and a Markdown copy, made from commands' results."""
