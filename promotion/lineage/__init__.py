"""The lineage report as a pure function: what was recorded in, a document out.

The body says only what the audit log and sealed rows say, so the same question at
the same size of the log gives the same bytes, and anybody with the entries can
derive it again. What agents and dark scores say at this moment is no part of it:
that stands in the signed statement beside the body, marked as observed. Nothing in
either is blank: what is not known is said to be so.

    sources    what a report is made from
    cards      what the version is: inventory, artifact, origin
    evidence   what speaks for it: reports, findings, what it showed in the dark, waivers
    life       who decided what: requests, signatures, transitions, refusals
    serving    what agents did with it: intervals, what is unknown, refusals, rollouts
    aftermath  what became of it: incidents, rollbacks, retirement
    rights     who held which role, and whether duties were kept apart
    controls   which requirement each section speaks to, and which none
    proof      completeness and the entries themselves, and how to check them
    body       all of it together
    drawings   where it comes from, its life, and who did what, as pictures
"""
