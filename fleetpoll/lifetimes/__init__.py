"""How long jobs wait and run: the laws, for those who make jobs up. Pure: the randomness is passed in."""
