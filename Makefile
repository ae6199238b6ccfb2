# The one way to make the module. `make help` lists what there is.

BUILD    := .build-module
MODULE   := $(BUILD)/mod_proxy_farm.so
OTHER_MODULES := $(BUILD)/other-version/mod_proxy_farm.so $(BUILD)/other-layout/mod_proxy_farm.so
ARCHIVE  := .build-embedded/release/libFarmModule.a
CONTROL  := $(BUILD)/farmctl
APXS     ?= apxs
PREFIX   ?= /usr/local
PYTHON   := /usr/bin/python3
PACKAGES := apache2 apache2-dev libapr1-dev libaprutil1-dev libssl-dev gcc binutils python3
TEST_PACKAGES := locales python3-pytest groff-base openssl curl jq python3-prometheus-client prometheus
# What farmctl's HTTP client is built on.
CONTROL_PACKAGES := zlib1g-dev libssl-dev git
# For Tests/browser.
BROWSER_PACKAGES := chromium chromium-driver python3-selenium
# Interpreters of what is in clients/. The large ones, 650 MB, are for `make clients-test-all`.
CLIENT_PACKAGES := php-cli nodejs ruby perl
LARGE_CLIENT_PACKAGES := default-jre-headless golang-go

SWIFT_SOURCES := $(shell find Sources \( -name FarmControl -o -name farmctl -o -name CMac \) -prune -o -name '*.swift' -print -o \
                    -name '*.h' -print -o -name '*.modulemap' -print) Package.swift \
                 $(wildcard CShim/include/*)
C_SOURCES := $(wildcard CShim/*.c)
CONTROL_SOURCES := $(shell find Sources/farmctl Sources/FarmControl Sources/FarmCore -name '*.swift') Package.swift \
                   $(wildcard CShim/include/*)
OBJECTS   := $(C_SOURCES:CShim/%.c=$(BUILD)/%.o)
BUILT     := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

.PHONY: FORCE other-versions upgrade-test help demo test build module farmctl farmctl-test completions swift-test model httpd-test browser-test check forgeries \
        fuzz fuzz-corpus install install-farmctl packages test-packages browser-packages swift clean clients-test \
        clients-test-all client-packages

help:
	@echo "make demo     install what is missing, build, and show a farm of three live members"
	@echo "make test     install what is missing, build, and run all tests"
	@echo "make build    build the module: $(MODULE)"
	@echo "make farmctl  build the command line tool: $(CONTROL), which needs minutes and the network once"
	@echo "make farmctl-test  build it and run its tests"
	@echo "make browser-test      try the status page in a real Chromium"
	@echo "make clients-test      run clients/ against Tests/vectors: Java and Go where they are installed"
	@echo "make clients-test-all  the same, with Java and Go, which it installs"
	@echo "make upgrade-test  upgrade and downgrade a running httpd UPGRADES=200 times under load, in each MPM: a quarter of an hour"
	@echo "make check    keep the laws of docs/internals.md: symbols, imports, layout, warnings"
	@echo "make model    go through every order of steps of the tables' protocol, and print what was found"
	@echo "make fuzz     build fuzzers of what members and clients send, and run each for TIME=60 seconds"
	@echo "make tsan     the Swift tests of the module under ThreadSanitizer: no race between threads"
	@echo "make asan     all Swift tests under AddressSanitizer, with its search for leaks"
	@echo "make memcheck httpd and its children under valgrind, in TESTS=families of Tests/httpd: half an hour or more"
	@echo "make growth   whether a child grows over a million requests, and the parent over 200 restarts: seven minutes"
	@echo "make forgeries  offer ten million cookies that are nearly right to the verifier"
	@echo "make bench    all that follows, beside plain ProxyPass, mod_proxy_balancer, HAProxy and nginx: MINUTES=15, CSV=folder"
	@echo "make bench-instructions  count instructions per request beside plain ProxyPass and mod_proxy_balancer: two minutes"
	@echo "make bench-choice   what a choice costs by itself, by algorithm and number of members: half a minute"
	@echo "make bench-locks    updates of up to 64 processes at once, and their waits for locks: half a minute"
	@echo "make bench-updates  measure updates, and real members of different capacity: three minutes"
	@echo "make bench-faults   stop, kill and close members under load, and count what clients see: three minutes"
	@echo "make bench-blame   requests that break members, and outages of whole farms, beside mod_proxy_balancer: ten minutes"
	@echo "make bench-limits   what a member with maxinflight sees at once, also when children are killed: a minute"
	@echo "make bench-offlining  what still reaches a member after it has been taken off: two minutes"
	@echo "make bench-status  what each format of the status costs, and what a scraper costs requests: five minutes"
	@echo "make chaos    all of the three below, with fewer kills: ten minutes"
	@echo "make chaos-matrix  members that go wrong in every way, behind this module and behind three other proxies"
	@echo "make chaos-server  kill, stop and restart the server under load, move its clock, fill its disk, take its memory"
	@echo "make chaos-kills   kill KILLS=10000 processes at random instructions while they write the tables"
	@echo "make install  put the module and its configuration where a2enmod finds them, and farmctl, if it is built, below PREFIX"
	@echo "make install-farmctl  farmctl alone"

demo: module
	@$(PYTHON) apache-conf/demo/demo.py --module $(MODULE) $(if $(PORT),--port $(PORT))

test: module test-packages check swift-test fuzz-corpus clients-test farmctl-test httpd-test browser-test

build: module

packages:
	@scripts/ensure-packages $(PACKAGES)

test-packages:
	@scripts/ensure-packages $(TEST_PACKAGES)

browser-packages:
	@scripts/ensure-packages $(BROWSER_PACKAGES)

client-packages:
	@scripts/ensure-packages $(CLIENT_PACKAGES)

swift:
	@command -v swift >/dev/null || { echo "There is no 'swift' in PATH: install a Swift 6.3 toolchain" >&2; exit 1; }

module: swift packages
	@$(MAKE) --no-print-directory $(MODULE)

$(ARCHIVE): $(SWIFT_SOURCES)
	FARM_EMBEDDED=1 swift build -c release --product FarmModule --scratch-path .build-embedded
	@touch $@

COMPILE = gcc -c -flto -fPIC -fno-plt -std=gnu11 -Wall -Wextra -Werror $(shell $(APXS) -q CFLAGS) \
	    $(shell apr-1-config --cppflags) -ICShim/include -I$(BUILD) -Wa,-ICShim/page \
	    -I$(shell $(APXS) -q INCLUDEDIR) $(shell apr-1-config --includes)
# Unloaded by httpd at each restart, so that another version can take its place: no nodelete. The one exported symbol is found
# in the copy that asks (-Bsymbolic), and not in one that is still loaded under another path.
LINK = gcc -shared -flto -flto-partition=one -O2 -o $@ $(filter %.o %.a,$^) -Wl,--version-script=CShim/exports.map -Wl,-Bsymbolic -Wl,-z,now \
	    -Wl,--gc-sections -Wl,--strip-debug -Wl,--as-needed -lcrypto -lm

# Written anew only when the revision is another, so that what has it built in is built again then and not at each commit.
$(BUILD)/farm_built.h: FORCE
	@mkdir -p $(BUILD)
	@echo '#define FARM_BUILT "$(BUILT)"' | cmp -s - $@ || echo '#define FARM_BUILT "$(BUILT)"' > $@

$(BUILD)/farm_tables.o $(BUILD)/farm_upgrade.o: $(BUILD)/farm_built.h

$(BUILD)/%.o: CShim/%.c $(wildcard CShim/*.h CShim/include/*.h CShim/page/*) Makefile
	@mkdir -p $(BUILD)
	$(COMPILE) -o $@ $<

$(MODULE): $(OBJECTS) $(ARCHIVE) CShim/exports.map scripts/check-symbols
	$(LINK)
	@scripts/check-symbols $@ || { rm -f $@; exit 1; }

# For Tests/httpd/test_411_upgrade.py: the same module as another version, with the same layout of its tables and with another.
# Only what finds the tables, and what it hands over, is compiled anew. (A change of a header for which the number of the
# layout is not raised is what `make check` finds, by the header's hash.)
VERSIONED := farm_tables.o farm_upgrade.o

other-versions: module
	@$(MAKE) --no-print-directory $(OTHER_MODULES)

$(BUILD)/other-version/%.o: CShim/%.c $(BUILD)/%.o
	@mkdir -p $(@D)
	$(COMPILE) -DFARM_OTHER_VERSION -o $@ $<

$(BUILD)/other-layout/%.o: CShim/%.c $(BUILD)/%.o
	@mkdir -p $(@D)
	$(COMPILE) -DFARM_OTHER_VERSION -DFARM_LAYOUT=1000000 -o $@ $<

$(OTHER_MODULES): $(BUILD)/%/mod_proxy_farm.so: $(addprefix $(BUILD)/%/,$(VERSIONED)) \
        $(filter-out $(addprefix $(BUILD)/,$(VERSIONED)),$(OBJECTS)) $(ARCHIVE) CShim/exports.map
	$(LINK)

# The scratch path is of its own, so that neither the module nor the tests ever build what only farmctl is built on.
farmctl: swift
	@scripts/ensure-packages $(CONTROL_PACKAGES)
	@$(MAKE) --no-print-directory $(CONTROL)

$(CONTROL): $(CONTROL_SOURCES)
	@mkdir -p $(BUILD)
	FARM_CTL=1 swift build -c release --product farmctl --static-swift-stdlib --scratch-path .build-ctl
	install -m 755 -s .build-ctl/release/farmctl $@

completions: farmctl
	for shell in bash zsh fish; do $(CONTROL) --generate-completion-script $$shell > $(BUILD)/farmctl.$$shell || exit 1; done

farmctl-test: farmctl module test-packages
	swift test --filter FarmControlTests
	FARM_MODULE=$(abspath $(MODULE)) FARMCTL=$(abspath $(CONTROL)) $(PYTHON) -m pytest -q Tests/farmctl

swift-test: swift packages
	swift test

# What swift-test has among its tests, with counterexamples and numbers.
model: swift packages
	FARM_MODEL_PRINT=1 swift test --filter FarmModelTests

# With farmctl, since the documents show what it does.
httpd-test: module other-versions farmctl test-packages
	FARM_MODULE=$(abspath $(MODULE)) FARMCTL=$(abspath $(CONTROL)) $(PYTHON) -m pytest -q Tests/httpd

# Two hundred upgrades under load for each MPM, which takes a quarter of an hour; httpd-test makes ten.
upgrade-test: module other-versions test-packages
	FARM_MODULE=$(abspath $(MODULE)) FARM_UPGRADES=$(or $(UPGRADES),200) FARM_PATIENCE=20 \
	    $(PYTHON) -m pytest -q Tests/httpd/test_411_upgrade.py

browser-test: module test-packages browser-packages
	FARM_MODULE=$(abspath $(MODULE)) $(PYTHON) -m pytest -q Tests/browser

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

include Benchmarks/bench.mk Tests/chaos/chaos.mk Tests/memory/memory.mk

# DESTDIR is honoured; a2enmod proxy_farm then enables it on Debian.
# The module is replaced by a rename: a running httpd has the old file mapped until its next graceful restart.
install: module
	install -D -m 644 $(MODULE) "$(DESTDIR)$$($(APXS) -q LIBEXECDIR)/.mod_proxy_farm.so.new"
	mv -f "$(DESTDIR)$$($(APXS) -q LIBEXECDIR)/.mod_proxy_farm.so.new" \
	    "$(DESTDIR)$$($(APXS) -q LIBEXECDIR)/mod_proxy_farm.so"
	install -d "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available"
	sed "s#@MODULES@#$$($(APXS) -q LIBEXECDIR)#" apache-conf/proxy_farm.load \
	    > "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available/proxy_farm.load"
	install -D -m 644 apache-conf/proxy_farm.conf "$(DESTDIR)$$($(APXS) -q SYSCONFDIR)/mods-available/proxy_farm.conf"
	@if [ -x $(CONTROL) ]; then $(MAKE) --no-print-directory install-farmctl; else \
	    echo "farmctl is not built: make farmctl, then make install-farmctl"; fi
	@echo "Now: a2enmod proxy_farm proxy_http && apachectl configtest"

# The tool, its manual page and its completions, without the module: for machines that have no httpd too.
install-farmctl: completions
	install -D -m 755 $(CONTROL) "$(DESTDIR)$(PREFIX)/bin/farmctl"
	install -D -m 644 docs/farmctl.8 "$(DESTDIR)$(PREFIX)/share/man/man8/farmctl.8"
	install -D -m 644 $(BUILD)/farmctl.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/farmctl"
	install -D -m 644 $(BUILD)/farmctl.zsh "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_farmctl"
	install -D -m 644 $(BUILD)/farmctl.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/farmctl.fish"

clean:
	rm -rf $(BUILD) .build .build-*
