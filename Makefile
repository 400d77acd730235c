# Two commands matter: `make run` and `make test`. The scripts behind them say what they do.

.PHONY: run test bench

run:
	@scripts/run

test:
	@scripts/test

bench:
	@bench/run
