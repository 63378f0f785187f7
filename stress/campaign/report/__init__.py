"""What is made from a results directory for others to read: people, mail, CI.

Every format is a function from the same facts to text, and the facts come from the directory alone,
so that a copy of it on another machine gives the same bytes.

- :mod:`~stress.campaign.report.facts`: all that a report says, as plain data; the one reader;
- :mod:`~stress.campaign.report.content`: what it says, in sections and sentences;
- :mod:`~stress.campaign.report.mail`: the sections as text of 72 columns;
- :mod:`~stress.campaign.report.markdown`: the same as Markdown;
- :mod:`~stress.campaign.report.html`: as a page, with what is better seen than read;
- :mod:`~stress.campaign.report.sides`: the table of a comparison;
- :mod:`~stress.campaign.report.suites`: what was judged, as suites of test cases;
- :mod:`~stress.campaign.report.ktap`: suites as KTAP; :mod:`~stress.campaign.report.junit`: as XML;
- :mod:`~stress.campaign.report.places`: where in a patch's text an override stands;
- :mod:`~stress.campaign.report.sarif`: a patch's failures, with their files and lines.
"""
