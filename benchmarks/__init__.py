"""Speed and memory, measured: training against the loop that most repositories have, inference against other tools.

`python -m benchmarks.training`, `python -m benchmarks.inference`, then `python -m benchmarks.page` for the figures;
`make bench` does the three. Results are `data/benchmarks/*.json`, one file a device, and the page “Training at full
scale” shows them. Read `timing`, `conventional`, `training`, `inference`.
"""
