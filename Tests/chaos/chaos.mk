# What goes wrong on purpose; README.md says how.

.PHONY: chaos chaos-matrix chaos-server chaos-kills

# How many processes `make chaos-kills` kills.
KILLS ?= 10000

# Each part is run, also when one before it has found something.
chaos: module
	@status=0; for part in chaos-matrix chaos-server "chaos-kills KILLS=$(if $(filter command line,$(origin KILLS)),$(KILLS),4000)"; \
	do $(MAKE) --no-print-directory $$part || status=1; done; exit $$status

chaos-matrix: module
	@scripts/ensure-packages haproxy nginx
	@mkdir -p .build-chaos
	@$(PYTHON) Tests/chaos/matrix.py --module $(MODULE) --csv .build-chaos/matrix.csv

chaos-server: module
	@scripts/ensure-packages libfaketime
	@$(PYTHON) Tests/chaos/server.py --module $(MODULE)

chaos-kills: swift packages
	@FARM_KILLS=1 swift build -c release -Xswiftc -enable-testing --scratch-path .build-kills --product farmkills
	@SWIFT_BACKTRACE=enable=no .build-kills/release/farmkills $(KILLS)
