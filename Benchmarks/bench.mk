# The benchmarks; README.md says what each measures.

.PHONY: bench bench-instructions farmbench bench-choice bench-locks bench-updates bench-faults bench-limits \
        bench-offlining bench-status bench-blame

# The time is of the measuring: what is built before is not in it.
bench: MINUTES := 15
bench: CSV := $(BUILD)/bench
bench: module farmbench
	@scripts/ensure-packages valgrind gcc haproxy nginx
	@$(PYTHON) Benchmarks/sidebyside.py --module $(MODULE) --minutes $(MINUTES) --csv $(CSV)

bench-instructions: module
	@scripts/ensure-packages valgrind
	@$(PYTHON) Benchmarks/instructions.py --module $(MODULE)

farmbench: swift packages
	FARM_BENCH=1 swift build -c release --product farmbench --scratch-path .build-bench

bench-choice: farmbench
	@scripts/ensure-packages valgrind
	@$(PYTHON) Benchmarks/choices.py

bench-locks: farmbench
	@$(PYTHON) Benchmarks/locks.py

bench-updates: module
	@scripts/ensure-packages valgrind wrk gcc
	@$(PYTHON) Benchmarks/updates.py --module $(MODULE)
	@$(PYTHON) Benchmarks/uneven.py --module $(MODULE)
	@$(PYTHON) Benchmarks/instructions.py --module $(MODULE) --members 4 1000 --logs member \
	    --variants adaptive adaptive+metrics load load+metrics

bench-faults: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/faults.py --module $(MODULE)

bench-blame: module
	@scripts/ensure-packages gunicorn uwsgi-core uwsgi-plugin-python3
	@$(PYTHON) Benchmarks/blame.py --module $(MODULE)

bench-limits: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/limits.py --module $(MODULE)

bench-offlining: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/offlining.py --module $(MODULE)

bench-status: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/status.py --module $(MODULE)
