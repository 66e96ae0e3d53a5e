# Every target works on a bare machine with git, make, Python 3.11 and pip.
# `make` alone lists them.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Arguments for the target: make demo ARGS="--baskets 500", make test ARGS="-k lots".
ARGS ?=
# Made anew when what it is made from changes; a half-finished installation leaves no stamp.
INSTALLED := $(VENV)/.installed

# What test-kafka and test-postgres run: events, relay, journeys and the demo; and everything that meets a database.
KAFKA_TESTS := $(addprefix tests/integration/common/,test_kafka.py test_log_tail.py test_relay.py test_relay_on_kafka.py) \
  tests/integration/ledger/test_events.py $(wildcard tests/acceptance/test_a_*.py) tests/acceptance/test_demo_figures.py
POSTGRES_15 := /usr/lib/postgresql/15/bin
POSTGRES_TESTS := $(addprefix tests/integration/,common/test_database.py common/test_journal.py ledger points auditor/test_verify.py \
  $(addprefix wallet/,test_api.py test_commit_batch.py test_pay.py test_queries.py test_service.py))
# Tests of one file stay in one process, so that they share its stack; WORKERS=0 runs all in one.
WORKERS ?= 2
# The end of a run names the tests that took longest.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --durations 20 --durations-min 5

# $(call apt_install,PROGRAM,PACKAGES): install Debian packages where a program is missing and we are root. Where that
# is not possible the next line says what is missing, and fails.
define apt_install
@if ! command -v $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
  export DEBIAN_FRONTEND=noninteractive; \
  apt-get --quiet update && apt-get --quiet install --yes --no-install-recommends $(2) || true; \
fi
endef

.DEFAULT_GOAL := help
.PHONY: help install test test-kafka test-postgres check demo format lint types imports sql buf fresh wheel protos baseline lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with the locked dependencies and the cagnotte command

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

test: $(INSTALLED) ## Run the whole test suite (ARGS="-m unit" or "-k word" narrows it)
	$(PYTEST) $(ARGS)

test-kafka: $(INSTALLED) ## Run the tests of events, relay and journeys on Apache Kafka, killed and restarted midway
	$(call apt_install,mvn,default-jre-headless maven)
	$(BIN)/python -m deploy.kafka.fetch
	CAGNOTTE_TEST_KAFKA=apache CAGNOTTE_BROKER=apache $(PYTEST) $(KAFKA_TESTS) $(ARGS)

test-postgres: $(INSTALLED) ## Run the tests of stores and services on Debian's PostgreSQL 15
	@# Where the package is new to the machine it shall not start a server of its own.
	@[ "$$(id -u)" != 0 ] || [ -e /etc/postgresql-common ] || { mkdir -p /etc/postgresql-common && \
	  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }
	$(call apt_install,$(POSTGRES_15)/postgres,postgresql-15)
	@[ -x $(POSTGRES_15)/postgres ] || { echo "PostgreSQL 15 is not in $(POSTGRES_15) (apt install postgresql-15)." >&2; exit 1; }
	CAGNOTTE_TEST_POSTGRES_BIN=$(POSTGRES_15) $(PYTEST) $(POSTGRES_TESTS) $(ARGS)

demo: $(INSTALLED) ## Replay real baskets, book them, verify (ARGS="--baskets 500" or "--all")
	$(BIN)/cagnotte demo $(ARGS)

check: lint types imports sql buf fresh wheel ## Run every check that is not a test

format: $(INSTALLED) ## Format the Python and proto files and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write protos --path protos/cagnotte

lint: $(INSTALLED) ## Check format and lint of the Python files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED) ## Check types (mypy, strict)
	$(BIN)/mypy

imports: $(INSTALLED) ## Check who imports whom
	$(BIN)/lint-imports

sql: $(INSTALLED) ## Lint the SQL files
	$(BIN)/sqlfluff lint --processes 2 services

buf: $(INSTALLED) ## Lint the protos and compare them with the recorded ones
	$(BIN)/python -m deploy.protos.check

fresh: $(INSTALLED) ## Check that protos/gen is what the protos generate
	$(BIN)/python -m deploy.protos.generate --check

wheel: $(INSTALLED) ## Build the wheel and try its command in an empty environment
	$(BIN)/python -m deploy.wheel.check

protos: $(INSTALLED) ## Generate protos/gen from the protos
	$(BIN)/python -m deploy.protos.generate

baseline: $(INSTALLED) ## Record the protos as what later ones must not break
	$(BIN)/python -m deploy.protos.check --record

lock: $(INSTALLED) ## Resolve the dependencies anew, with hashes (ARGS="--upgrade" for newer ones)
	$(BIN)/python -m deploy.lock $(ARGS)

clean: ## Remove .venv and everything else that can be made again
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
