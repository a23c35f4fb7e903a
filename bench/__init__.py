"""How long TAP takes to synthesize, and how much memory: ``make bench``.

Stock loading of the bindings (``TAP_EAGER_BINDINGS=1``) against lazy loading, and the same stack
in CDKTF for TypeScript, in cdktn for Python and in the AWS CDK for Python. All of it is measured in
one run, in rounds that give each contender a turn, and compared within a round, so that a busy
moment of the machine hits both sides of a ratio. Leaves out ``cdktf synth``, which adds the same
few seconds to any of them.

    __main__.py     the command line, and the order of things
    workspace.py    the peers' packages, installed once into .work/
    contenders.py   what is run, and in which environment
    measure.py      one run: wall time, CPU time, memory
    check.py        that all of them do the same work
    report.py       ratios, targets, tables
    copies.py       N copies of an environment, for the cost of one more
    peers/          the same stack elsewhere
"""
