# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SERVERS := mosquitto influxdb chromium chromium-driver prometheus prometheus-alertmanager docker-compose
CHECKERS := build/checkers
CHECKERS_FROM := tests/dashboards/checkers
LOOK := build/look
LOOK_FROM := tests/dashboards/look

.PHONY: demo test check grafana-check look bench bench-peers fuzz soak plant servers checkers clean
demo: $(VENV)/.demo ## everything in one process; the board on localhost
	$(BIN)/andon demo $(ARGS)

test: $(VENV)/.dev ## unit, contract and case tests; those with real servers where the servers are there
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -m 'not plant' --numprocesses auto --dist loadfile
	$(BIN)/python -m pytest -m 'plant and not alone' --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -m alone
endif

plant: $(VENV)/.dev ## only the tests with real servers
	$(BIN)/python -m pytest -m plant $(ARGS)

check: $(VENV)/.dev ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

grafana-check: $(VENV)/.dev checkers ## boards, rules and files judged by Grafana's own parts, and every seeded fault
	$(BIN)/python -m tests.dashboards.checkers

look: $(VENV)/.dev $(LOOK)/installed.json ## the boards drawn by Grafana's own components into deploy/images (needs InfluxDB, Chromium, node)
	$(BIN)/python -m tests.dashboards.look

bench: $(VENV)/.dev ## figures, three runs each: median and spread
	$(BIN)/andon bench $(ARGS)

bench-peers: $(VENV)/.dev ## the bridge beside others, same load, broker and store (installs them under build/peers; needs node and npm)
	$(BIN)/python -m tests.bench.peers $(ARGS)

fuzz: $(VENV)/.dev ## hostile payloads for every format (ARGS="--count 1000000 --format kepware"; --atheris: guided by coverage)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.dev ## 30 minutes at 1,000 messages/s: memory, descriptors, balance (ARGS="--minutes 120")
	$(BIN)/python -m deploy.bench.soak $(ARGS)

servers: ## the real servers the tests use (Debian, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVERS)
	command -v npm >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm
	$(MAKE) checkers

checkers: $(CHECKERS)/installed.json ## Grafana's own npm packages, Prism and grafana-client, pinned, under build/ (needs node and npm)

$(CHECKERS)/installed.json: $(addprefix $(CHECKERS_FROM)/,package.json package-lock.json .npmrc requirements.txt)
	mkdir -p $(CHECKERS)
	cp $(addprefix $(CHECKERS_FROM)/,package.json package-lock.json .npmrc) $(CHECKERS)/
	cd $(CHECKERS) && npm ci --silent
	$(PYTHON) -m venv $(CHECKERS)/venv
	$(CHECKERS)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $(CHECKERS_FROM)/requirements.txt
	cp $(CHECKERS_FROM)/package-lock.json $@

$(LOOK)/installed.json: $(addprefix $(LOOK_FROM)/,package.json package-lock.json .npmrc)
	mkdir -p $(LOOK)
	cp $(addprefix $(LOOK_FROM)/,package.json package-lock.json .npmrc) $(LOOK)/
	cd $(LOOK) && npm ci --silent
	cp $(LOOK_FROM)/package-lock.json $@

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
