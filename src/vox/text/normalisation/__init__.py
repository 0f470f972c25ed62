"""Written numbers, dates, times, money, addresses and codes as they are said; pure.

`rewriting.rewrites` finds them in a text; each language is a file with a `Language` in it.
"""
