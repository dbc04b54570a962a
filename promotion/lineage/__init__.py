"""The lineage report as a pure function: what was recorded in, a document out.

The body says only what the audit log and sealed rows say, so the same question at
the same size of the log gives the same bytes, and anybody with the entries can
derive it again. What agents and dark scores say at this moment is no part of it:
that stands in the signed statement beside the body, marked as observed.

    sources    what a report is made from
    cards      what the version is: inventory, artifact, origin, evidence
    life       who decided what: requests, signatures, transitions, refusals
    serving    what agents did with it: intervals, refusals, rollouts
    proof      completeness and the entries themselves, and how to check them
    body       all of it together
    drawing    the lifecycle as a picture
"""
