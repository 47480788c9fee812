"""What is known of languages: their codes, names and scripts (Unicode's CLDR), and the groups that papers put them in.

A code in any usual spelling enters; a language, or the languages of a group, leave. Called by the tables of languages and suites,
by commands that take languages, and by whoever adds one.
"""
