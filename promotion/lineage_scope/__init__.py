"""The report of an environment, or of everything, over a period, as a pure function.

As in the report of a version, the body says only what the log says up to one size: the
same question at the same size gives the same bytes. How far the log is sealed, and whether
the tables agree with it, changes without an entry and stands in the signed statement.

    sources    what a report is made from
    answered   which versions answered when: as agents said, and as was decided
    asked      who asked for what, signed, carried it out, was refused or went alone
    upkeep     incidents, policies, rights, agents
    body       all of it together, with every change that there was
    drawing    who was to answer when, as a picture
    schema     what a report looks like, published
"""
