"""The report: one page, one style sheet and pictures, and its Markdown twin, made from the commands' results."""
