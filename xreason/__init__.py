"""xreason: compares ways of teaching language models to reason in many languages.

The four folders of this package stand at the top of the repository, where people look first; here they are links to them, so that
an import, a type checker and a wheel find one package, `xreason`, and nothing is installed under a name that is not ours.
"""
