"""`python -m xreason.harness.cli`: the command line where no console script is, as under torchrun."""

from xreason.harness.cli.app import main

main()
