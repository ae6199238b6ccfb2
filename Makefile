# The one way to make the module. `make help` lists what there is.

BUILD    := .build-module
MODULE   := $(BUILD)/mod_proxy_farm.so
ARCHIVE  := .build-embedded/release/libFarmModule.a
APXS     ?= apxs
PYTHON   := /usr/bin/python3
PACKAGES := apache2 apache2-dev libapr1-dev libaprutil1-dev libssl-dev gcc binutils python3
TEST_PACKAGES := python3-pytest openssl curl jq python3-prometheus-client prometheus
# Interpreters of what is in clients/. The large ones, 650 MB, are for `make clients-test-all`.
CLIENT_PACKAGES := php-cli nodejs ruby perl
LARGE_CLIENT_PACKAGES := default-jre-headless golang-go

# How many processes `make chaos-kills` kills.
KILLS ?= 10000

SWIFT_SOURCES := $(shell find Sources -name '*.swift' -o -name '*.h' -o -name '*.modulemap') Package.swift \
                 $(wildcard CShim/include/*)
C_SOURCES := $(wildcard CShim/*.c)
OBJECTS   := $(C_SOURCES:CShim/%.c=$(BUILD)/%.o)
BUILT     := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

.PHONY: help demo test build module swift-test httpd-test check forgeries fuzz fuzz-corpus bench bench-updates bench-faults bench-limits bench-offlining bench-status chaos chaos-matrix chaos-server chaos-kills install packages test-packages swift clean clients-test clients-test-all client-packages

help:
	@echo "make demo     install what is missing, build, and show a farm of three live members"
	@echo "make test     install what is missing, build, and run all tests"
	@echo "make build    build the module: $(MODULE)"
	@echo "make clients-test      run clients/ against Tests/vectors: Java and Go where they are installed"
	@echo "make clients-test-all  the same, with Java and Go, which it installs"
	@echo "make check    keep the laws of docs/internals.md: symbols, imports, layout, warnings"
	@echo "make fuzz     build fuzzers of what members and clients send, and run each for TIME=60 seconds"
	@echo "make forgeries  offer ten million cookies that are nearly right to the verifier"
	@echo "make bench    count instructions per request beside plain ProxyPass and mod_proxy_balancer"
	@echo "make bench-updates  measure updates, and real members of different capacity: three minutes"
	@echo "make bench-faults   stop, kill and close members under load, and count what clients see: three minutes"
	@echo "make bench-limits   what a member with maxinflight sees at once, also when children are killed: a minute"
	@echo "make bench-offlining  what still reaches a member after it has been taken off: two minutes"
	@echo "make bench-status  what each format of the status costs, and what a scraper costs requests: five minutes"
	@echo "make chaos    all of the three below, with fewer kills: ten minutes"
	@echo "make chaos-matrix  members that go wrong in every way, behind this module and behind three other proxies"
	@echo "make chaos-server  kill, stop and restart the server under load, move its clock, fill its disk, take its memory"
	@echo "make chaos-kills   kill KILLS=10000 processes at random instructions while they write the tables"
	@echo "make install  put the module and its configuration where a2enmod finds them"

demo: module
	@$(PYTHON) apache-conf/demo/demo.py --module $(MODULE) $(if $(PORT),--port $(PORT))

test: module test-packages check swift-test fuzz-corpus clients-test httpd-test

build: module

packages:
	@scripts/ensure-packages $(PACKAGES)

test-packages:
	@scripts/ensure-packages $(TEST_PACKAGES)

client-packages:
	@scripts/ensure-packages $(CLIENT_PACKAGES)

swift:
	@command -v swift >/dev/null || { echo "There is no 'swift' in PATH: install a Swift 6.3 toolchain" >&2; exit 1; }

module: swift packages
	@$(MAKE) --no-print-directory $(MODULE)

$(ARCHIVE): $(SWIFT_SOURCES)
	FARM_EMBEDDED=1 swift build -c release --product FarmModule --scratch-path .build-embedded
	@touch $@

$(BUILD)/%.o: CShim/%.c $(wildcard CShim/*.h CShim/include/*.h CShim/page/*)
	@mkdir -p $(BUILD)
	gcc -c -fPIC -fno-plt -std=gnu11 -Wall -Wextra -Werror $(shell $(APXS) -q CFLAGS) \
	    $(shell apr-1-config --cppflags) -DFARM_BUILT='"$(BUILT)"' -ICShim/include -Wa,-ICShim/page \
	    -I$(shell $(APXS) -q INCLUDEDIR) $(shell apr-1-config --includes) -o $@ $<

$(MODULE): $(OBJECTS) $(ARCHIVE) CShim/exports.map scripts/check-symbols
	gcc -shared -o $@ $(OBJECTS) $(ARCHIVE) -Wl,--version-script=CShim/exports.map -Wl,-z,nodelete -Wl,-z,now \
	    -Wl,--gc-sections -Wl,--strip-debug -Wl,--as-needed -lcrypto -lm
	@scripts/check-symbols $@ || { rm -f $@; exit 1; }

swift-test: swift packages
	swift test

httpd-test: module test-packages
	FARM_MODULE=$(abspath $(MODULE)) $(PYTHON) -m pytest -q Tests/httpd

clients-test: test-packages client-packages
	$(PYTHON) -m pytest -q Tests/clients

clients-test-all:
	@scripts/ensure-packages $(LARGE_CLIENT_PACKAGES)
	@FARM_CLIENTS=all $(MAKE) --no-print-directory clients-test

check: module
	@scripts/check-laws $(MODULE)

forgeries: swift packages
	FORGERIES=10000000 swift test -c release -Xswiftc -enable-testing --scratch-path .build-release-tests --filter ForgeryTests

fuzz fuzz-corpus: swift packages
	@$(MAKE) --no-print-directory -f Tests/fuzz/fuzz.mk $@

bench: module
	@scripts/ensure-packages valgrind
	@$(PYTHON) Benchmarks/instructions.py --module $(MODULE)

bench-updates: module
	@scripts/ensure-packages valgrind wrk gcc
	@$(PYTHON) Benchmarks/updates.py --module $(MODULE)
	@$(PYTHON) Benchmarks/uneven.py --module $(MODULE)
	@$(PYTHON) Benchmarks/instructions.py --module $(MODULE) --members 4 1000 --logs member \
	    --variants adaptive adaptive+metrics load load+metrics

bench-faults: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/faults.py --module $(MODULE)

bench-limits: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/limits.py --module $(MODULE)

bench-offlining: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/offlining.py --module $(MODULE)

bench-status: module
	@scripts/ensure-packages gcc
	@$(PYTHON) Benchmarks/status.py --module $(MODULE)

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

# DESTDIR is honoured; a2enmod proxy_farm then enables it on Debian.
install: module
	install -D -m 644 $(MODULE) "$(DESTDIR)$$($(APXS) -q LIBEXECDIR)/mod_proxy_farm.so"
	install -d "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available"
	sed "s#@MODULES@#$$($(APXS) -q LIBEXECDIR)#" apache-conf/proxy_farm.load \
	    > "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available/proxy_farm.load"
	install -D -m 644 apache-conf/proxy_farm.conf "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available/proxy_farm.conf"
	@echo "Now: a2enmod proxy_farm proxy_http && apachectl configtest"

clean:
	rm -rf $(BUILD) .build .build-embedded .build-fuzz .build-chaos .build-kills
