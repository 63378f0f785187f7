"""A campaign's page, live: a small server that reads the directory and changes nothing.

What it costs the campaign does not grow with its readers: the directory is read for all of them at
once, only while somebody looks, and for a bounded share of the time.

- :mod:`~stress.campaign.serve.request`: one request of a stranger's, parsed and judged;
- :mod:`~stress.campaign.serve.exposition`: the metrics, as Prometheus reads them;
- :mod:`~stress.campaign.serve.edition`: what is shown now, and when the directory is read anew;
- :mod:`~stress.campaign.serve.traces`: the pages of failures, each made by a process of its own;
- :mod:`~stress.campaign.serve.server`: connections, with bounds on their number, size and time;
- :mod:`~stress.campaign.serve.beside`: a server beside a campaign, in a process of its own.
"""
