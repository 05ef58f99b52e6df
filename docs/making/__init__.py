"""Makes the pages that follow from the code, and the site. `python3 dev.py docs` runs all of it."""
